"""Ending a training in the middle, for tests that it goes on as if it had not been stopped."""

import os
import signal

from after_ser.learn.training import Training


def stop_at(monkeypatch, step, how):
    """Call `how` as the given step (from 1) ends; return the numbers of the steps that are made."""
    original, made = Training.step, []

    def counted(self, batch):
        row = original(self, batch)
        made.append(self.steps + 1)
        if made[-1] == step:
            how()
        return row

    monkeypatch.setattr(Training, "step", counted)
    return made


def crash():
    raise RuntimeError("power cut")


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
