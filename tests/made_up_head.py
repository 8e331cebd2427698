"""A head in one file: the loudest frame of every feature, then linear."""

from after_ser.model.heads import Head


class Loudest(Head):
    def pool(self, states, valid):
        return states.masked_fill(~valid[..., None], float("-inf")).amax(dim=1)
