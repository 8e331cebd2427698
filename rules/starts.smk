"""What backbones and starts depend on: the functions that rules of these use."""


def backbone_settings(name):
    """What a backbone's weights depend on; what tables say of it is left out."""
    found = {
        key: value
        for key, value in CONFIG["backbones"][name].items()
        if key not in ("note", "licence")
    }
    if "pretraining" in found:
        own = found["pretraining"]
        unseen = ("accumulation", "validations")
        found["pretraining"] = {k: v for k, v in own.items() if k not in unseen}
    return found


def scratch_backbones():
    """The backbones that are pre-trained here."""
    return [name for name, one in CONFIG["backbones"].items() if "scratch" in one]


def pretraining(backbone):
    """How a backbone is pre-trained here, and on whose speech."""
    return CONFIG["backbones"][backbone]["pretraining"]


def tapt_starts(pseudo_labelled):
    """The starts that P-TAPT makes, or those that plain TAPT does."""
    return [
        start
        for start in CONFIG["tapt"]
        if start_uses_labels(CONFIG, start) == pseudo_labelled
    ]


def tapt_settings(wildcards):
    """What masked training depends on, and no more."""
    other = ("seed_per_run", "first_stage", "accumulation")
    settings = CONFIG["tapt"][wildcards.start]
    return {key: value for key, value in settings.items() if key not in other}


def states_settings(wildcards):
    """What P-TAPT's emotion-state model depends on, and no more."""
    settings = CONFIG["tapt"][wildcards.start]["first_stage"]
    other = ("clusters", "iterations")
    return {key: value for key, value in settings.items() if key not in other}
