"""Families whose transformers class has `feature_extractor`, `feature_projection` and `encoder`.

A CNN over raw samples, a linear projection, a transformer: wav2vec 2.0, HuBERT, WavLM and
data2vec-audio. All of it is transformers' own code; a subclass names the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from after_ser.core.errors import InputError
from after_ser.model.families.base import Body, Family, Pretraining, Stem
from after_ser.model.geometry import SAMPLE_RATE, Geometry
from after_ser.model.load import (
    CONFIG,
    PREPROCESSOR,
    WEIGHTS,
    Folder,
    load_model,
    quiet_transformers,
    read_json,
)
from after_ser.model.registry import read_config
from after_ser.model.save import save_tensors
from after_ser.model.shape import Shape
from after_ser.run.atomic import write_json, write_text

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: The one weight that fine-tuned checkpoints may lack, since fine-tuning masks nothing.
MASK_EMBEDDING = "masked_spec_embed"
_CNN = ((512,) * 7, (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
BASE = Shape(*_CNN, hidden=768, layers=12, intermediate=3072)
LARGE = Shape(*_CNN, hidden=1024, layers=24, intermediate=4096)
XLARGE = Shape(*_CNN, hidden=1280, layers=48, intermediate=5120)


def wants_normalised(folder: Folder) -> bool:
    """Tell whether the checkpoint's preprocessor asks for zero-mean unit-variance input.

    Raises InputError where it expects another sampling rate than 16 kHz.
    """
    preprocessor = read_json(Path(folder) / PREPROCESSOR)
    rate = preprocessor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise InputError(
            f"backbone: {Path(folder) / PREPROCESSOR} wants {rate} Hz; expected {SAMPLE_RATE} Hz"
        )
    return bool(preprocessor.get("do_normalize", True))


def normalise(waveform: np.ndarray) -> np.ndarray:
    """Return the clip with zero mean and unit variance, float32 (as Wav2Vec2FeatureExtractor).

    To be applied per clip, before any padding, where `wants_normalised` says so. The small
    constant keeps a silent clip finite.
    """
    mean = waveform.mean(dtype=np.float64)
    variance = waveform.var(dtype=np.float64)
    return ((waveform - mean) / np.sqrt(variance + 1e-7)).astype(np.float32)


def save_model(model: Any, folder: Folder, do_normalize: bool) -> None:
    """Write config.json, model.safetensors and preprocessor_config.json into `folder`.

    `model` is one of transformers. Where it is an encoder alone, fine-tuning can start from the
    folder, and training on a quantiser's codes cannot.
    """
    folder = Path(folder)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = model.dtype  # else the config's bytes depend on how the model was made
    write_text(folder / CONFIG, model.config.to_json_string())
    save_tensors(folder / WEIGHTS, model.state_dict())
    norm = getattr(model.config, "feat_extract_norm", "layer")  # data2vec has no other
    write_json(folder / PREPROCESSOR, preprocessor(do_normalize, norm))


def preprocessor(do_normalize: bool, feat_extract_norm: str) -> dict[str, Any]:
    """Return preprocessor_config.json as transformers' Wav2Vec2FeatureExtractor reads it.

    Group-norm models were trained without an attention mask and must not be given one.
    """
    return {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "feature_size": 1,
        "sampling_rate": SAMPLE_RATE,
        "padding_side": "right",
        "padding_value": 0.0,
        "do_normalize": do_normalize,
        "return_attention_mask": feat_extract_norm == "layer",
    }


class ConvStem(Stem):
    """The frozen CNN of a checkpoint."""

    def __init__(self, folder: Folder, family: ConvEncoder, device: torch.device) -> None:
        """Load it onto `device`."""
        encoder, _ = family.load_encoder(folder)
        self._cnn = encoder.feature_extractor.to(device)
        self._family, self._device = family, device
        self._scale = wants_normalised(folder)
        self.geometry = Geometry.of(encoder.config)
        self.width = int(encoder.config.conv_dim[-1])

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return samples [n] float32, scaled and padded where they must be."""
        if self._scale:
            waveform = normalise(waveform)
        missing = self.geometry.receptive_field - len(waveform)
        return np.pad(waveform, (0, missing)) if missing > 0 else waveform

    def encode(self, prepared: np.ndarray) -> np.ndarray:
        """Return the latents [T, D]."""
        import torch

        with torch.inference_mode():
            samples = torch.from_numpy(prepared)[None].to(self._device)
            latents = self._family.latents(self._cnn, samples)[0]
            found: np.ndarray = latents.float().cpu().numpy()
        return found


class ConvBody(Body):
    """transformers' `feature_projection` and `encoder`."""

    def project(self, latents: Tensor) -> Tensor:
        """Return [B, T, H]; some classes return what they normed as well."""
        found = self.projection(latents)
        projected: Tensor = found[0] if isinstance(found, tuple) else found
        return projected

    def layers(self, projected: Tensor, valid: Tensor | None) -> list[Tensor]:
        """Return what leaves each layer; one that LayerDrop skips changes nothing."""
        found: dict[int, Tensor] = {}

        def keep(index: int) -> Callable[..., None]:
            def hook(_module: Any, _given: Any, output: Any) -> None:
                found[index] = output[0] if isinstance(output, tuple) else output

            return hook

        # dropout is what the first layer is given; the encoder returns the last state alone
        modules: list[Any] = [self.transformer.dropout, *self.transformer.layers]  # type: ignore[misc]
        hooks = [module.register_forward_hook(keep(i)) for i, module in enumerate(modules)]
        try:
            last = self.last(projected, valid)
        finally:
            for hook in hooks:
                hook.remove()
        states = [found[0]]
        for index in range(1, len(modules) - 1):
            states.append(found.get(index, states[-1]))
        return [*states, last]

    def last(self, projected: Tensor, valid: Tensor | None) -> Tensor:
        """Return [B, T, H]."""
        found: Tensor = self.transformer(projected, attention_mask=valid).last_hidden_state
        return found


class ConvPretraining(Pretraining):
    """A model of transformers that has the encoder in it, or is it."""

    def __init__(self, module: Any, encoder: Any, family: ConvEncoder, scale: bool) -> None:
        """`scale`: samples are normalised to zero mean and unit variance."""
        self.module, self.front = module, encoder.feature_extractor
        self.body = family.body_around(encoder)
        self._family, self._scale = family, scale

    def prepare(self, waveform: np.ndarray) -> np.ndarray:
        """Return samples [n], normalised where they must be."""
        return normalise(waveform) if self._scale else waveform

    def latents(self, samples: Tensor) -> Tensor:
        """Return [B, T, D]."""
        return self._family.latents(self.front, samples)

    def attended(self, valid: Tensor) -> Tensor | None:
        """Return `valid`; nothing for a group-norm model, which was trained without."""
        return None if self.body.described.get("feat_extract_norm") == "group" else valid

    def save(self, folder: Folder) -> None:
        """Write the checkpoint folder."""
        save_model(self.module, folder, self._scale)


class ConvEncoder(Family):
    """What these families share."""

    model_class: ClassVar[str]  # transformers' class that is the encoder
    body_class: ClassVar[type[ConvBody]] = ConvBody
    #: What a model's name may say of its size; the first part that it has counts, BASE without one.
    sizes: ClassVar[Mapping[str, Shape]] = {"large": LARGE}

    def shape(self, backbone: Mapping[str, Any]) -> Shape:
        """Return the published size that its name tells: its config.json may lie on the hub."""
        name = str(backbone.get("hub", backbone.get("folder", ""))).lower()
        return next((size for part, size in self.sizes.items() if part in name), BASE)

    def architecture(self, backbone: Mapping[str, Any]) -> dict[str, Any]:
        """Return one of the size of `shape`, in the words of transformers' config."""
        shape = self.shape(backbone)
        return {
            "model_type": self.model_type,
            "conv_dim": list(shape.conv_dim),
            "conv_kernel": list(shape.kernels),
            "conv_stride": list(shape.strides),
            "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.hidden // 64,
            "intermediate_size": shape.intermediate,
        }

    def build(self, architecture: Mapping[str, Any], seed: int) -> Pretraining:
        """Return the encoder with random weights; `architecture` has fields of its config."""
        import torch

        kind = self._class(self.model_class)
        fields = {key: value for key, value in architecture.items() if key != "model_type"}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = kind(kind.config_class(**fields)).eval()
        return ConvPretraining(encoder, encoder, self, True)

    def pretraining(self, folder: Folder) -> Pretraining:
        """Load the encoder; InputError where it has no mask embedding."""
        encoder, missing = self.load_encoder(folder)
        if missing or not hasattr(encoder, MASK_EMBEDDING):
            raise InputError(
                f"pre-training: {folder} has no mask embedding ({MASK_EMBEDDING}); expected a "
                "model that was pre-trained with masks"
            )
        return ConvPretraining(encoder, encoder, self, wants_normalised(folder))

    def check(self, folder: Folder) -> None:
        """Raise InputError for a preprocessor of another sampling rate."""
        wants_normalised(folder)

    def latents(self, cnn: Any, samples: Tensor) -> Tensor:
        """Return latents [B, T, D] of samples [B, n]; `cnn` is the class's feature_extractor."""
        found: Tensor = cnn(samples).transpose(1, 2)
        return found

    def stem(self, folder: Folder, device: torch.device) -> Stem:
        """Load the CNN."""
        return ConvStem(folder, self, device)

    def body(self, folder: Path, fast: bool = True) -> Body:
        """Load projection and transformer."""
        encoder, missing = self.load_encoder(folder)
        body = self.body_around(encoder)
        if body.mask_embedding is not None:
            body.mask_embedding = None if missing else body.mask_embedding.detach()
        return body

    def body_of(self, described: dict[str, Any], where: str, fast: bool = True) -> Body:
        """Build projection and transformer."""
        import torch

        kind = self._class(self.model_class)
        with quiet_transformers(), torch.device("meta"):  # nothing is drawn
            encoder = kind(kind.config_class.from_dict(described))
        body = self.body_around(encoder.eval(), described)
        body.mask_embedding = None
        return body

    def body_around(self, encoder: Any, described: dict[str, Any] | None = None) -> Body:
        """Return the body of an encoder, with which it shares modules and mask embedding."""
        config = encoder.config
        return self.body_class(
            family=self,
            described=config.to_dict() if described is None else described,
            geometry=Geometry.of(config),
            width=config.hidden_size,
            projection=encoder.feature_projection,
            transformer=encoder.encoder,
            mask_embedding=getattr(encoder, MASK_EMBEDDING, None),
        )

    def load_encoder(self, folder: Folder) -> tuple[Any, set[str]]:
        """Return the encoder, and the names of weights that it may lack and does.

        Raises InputError where any of its other weights is missing or has another shape.
        """
        read_config(folder)
        return load_model(self._class(self.model_class), folder, (MASK_EMBEDDING,))

    def save(self, start: Path, body: Body, folder: Path) -> None:
        """Write the encoder of `start` with the transformer of `body`."""
        encoder, _ = self.load_encoder(start)
        encoder.encoder.load_state_dict(body.transformer.state_dict())
        save_model(encoder, folder, wants_normalised(start))

    def export(
        self,
        start: Path,
        body: Body,
        head: Mapping[str, Tensor],
        settings: Mapping[str, Any],
        folder: Path,
    ) -> None:
        """Write the class for audio classification; the CNN is that of `start`."""
        import torch

        assert self.classifier_class is not None
        kind = self._class(self.classifier_class)
        encoder, missing = self.load_encoder(start)
        config = encoder.config
        for name, value in settings.items():
            setattr(config, name, value)
        config.problem_type = "single_label_classification"
        config.use_weighted_layer_sum = False
        config.add_adapter = False
        if missing:  # a random one must not be passed off as the model's
            config.mask_time_prob = config.mask_feature_prob = 0.0
        parts = {"feature_projection": body.projection, "encoder": body.transformer}
        state = dict(encoder.state_dict())
        for part, module in parts.items():
            state |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        state = {f"{kind.base_model_prefix}.{name}": value for name, value in state.items()}
        state |= head
        with torch.device("meta"):
            exported = kind(config)
        known = exported.state_dict()
        state = {name: value for name, value in state.items() if name in known}
        exported.load_state_dict(state, strict=True, assign=True)
        save_model(exported, folder, wants_normalised(start))

    def _class(self, name: str) -> Any:
        import transformers

        return getattr(transformers, name)
