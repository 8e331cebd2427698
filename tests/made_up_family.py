"""A backbone family in one file: how loud four parts of every 20 ms are, and two layers on that."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from after_ser.model.families.base import Body, Family, Pretraining, Stem
from after_ser.model.geometry import Geometry
from after_ser.model.load import CONFIG, WEIGHTS, read_json
from after_ser.model.save import save_tensors
from after_ser.model.shape import Shape
from after_ser.run.atomic import write_json

FRAME, PARTS = 320, 4
GEOMETRY = Geometry((FRAME,), (FRAME,))


def loudness(samples):
    """Samples [B, n] to the log energy of the parts of each frame, [B, T, PARTS]."""
    count = samples.shape[1] // FRAME
    parts = samples[:, : count * FRAME].reshape(len(samples), count, PARTS, -1)
    return torch.log(parts.square().mean(-1) + 1e-6)


class MadeUp(Family):
    model_type = "made-up"
    title = "a made-up backbone"

    def shape(self, backbone):
        return Shape((PARTS,), (FRAME,), (FRAME,), hidden=8, layers=2, intermediate=8)

    def architecture(self, backbone):
        return {"model_type": self.model_type, "width": 8, "depth": 2}

    def build(self, architecture, seed):
        body = self.body_of(dict(architecture), "an architecture")
        torch.manual_seed(seed)
        for module in body.transformer.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        return Loud(body)

    def check(self, folder):
        read_json(Path(folder) / "preprocessor_config.json")

    def stem(self, folder, device):
        return Parts()

    def body(self, folder, fast=True):
        body = self.body_of(read_json(folder / CONFIG), str(folder), fast)
        body.transformer.load_state_dict(load_file(folder / WEIGHTS), strict=True)
        return body

    def body_of(self, described, where, fast=True):
        width = described["width"]
        sizes = [PARTS, *[width] * described["depth"]]
        layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, width), nn.Tanh()) for before in sizes[:-1]
        )
        return Deep(self, described, GEOMETRY, width, nn.Identity(), layers, torch.zeros(PARTS))

    def pretraining(self, folder):
        return Loud(self.body(Path(folder)))

    def save(self, start, body, folder):
        Loud(body).save(folder)


class Parts(Stem):
    geometry, width = GEOMETRY, PARTS

    def prepare(self, waveform):
        return np.pad(waveform, (0, max(0, FRAME - len(waveform))))

    def encode(self, prepared):
        return loudness(torch.from_numpy(prepared)[None])[0].numpy()


class Deep(Body):
    def layers(self, projected, valid):
        states = [projected]
        for layer in self.transformer:
            states.append(layer(states[-1]))
        return states


class Loud(Pretraining):
    def __init__(self, body):
        self.module = nn.ModuleDict({"transformer": body.transformer})
        self.front, self.body = nn.Identity(), body

    def prepare(self, waveform):
        return waveform

    def latents(self, samples):
        return loudness(samples)

    def save(self, folder):
        folder = Path(folder)
        write_json(folder / CONFIG, self.body.described)
        write_json(folder / "preprocessor_config.json", {})
        save_tensors(folder / WEIGHTS, self.body.transformer.state_dict())
