"""What a round reads of those before it, and the settings it is chosen, fitted and scored with."""


def previous_round(wildcards, name):
    """A file of the round before; round 0 is shared by all strategies (and some protocols)."""
    index = int(wildcards.round) - 1
    protocol = wildcards.protocol
    if index == 0:
        protocol = round0_protocol(CONFIG["protocols"], protocol)
    seed = f"{AL}/{{init}}/seed{{seed}}".format(
        **{**dict(wildcards.items()), "protocol": protocol}
    )
    own = f"round{index}" if index == 0 else f"{wildcards.strategy}/round{index}"
    return f"{seed}/{own}/{name}"


def previous_model(wildcards):
    """The model of the round before, where the protocol warm-starts from it.

    ancient: what makes a round old is its labelled set, not a model that was written again.
    """
    warm = CONFIG["protocols"][wildcards.protocol]["warm_start"]
    if wildcards.init == "oneshot" or not warm:
        return []
    files = ("model/model.safetensors", "model/config.json")
    return [ancient(previous_round(wildcards, name)) for name in files]


def strategy_options(wildcards):
    """The options of a strategy: the registry's defaults, replaced by the config's."""
    known = STRATEGIES[wildcards.strategy]
    own = CONFIG["strategies"].get(wildcards.strategy, {})
    return {**known.options, **known.feature_options, **own}


def surprisal_options():
    """How surprisal is computed; the clustering of ALPs has no options of its own."""
    own = CONFIG["strategies"].get("alps", {})
    return {**SURPRISAL, **own}


def model_to_query(wildcards):
    """The model of the round before, for strategies that run it."""
    if not STRATEGIES[wildcards.strategy].of_model:
        return []
    files = ("model/model.safetensors", "model/config.json")
    return [ancient(previous_round(wildcards, name)) for name in files]


def latents_to_query(wildcards):
    """The CNN outputs that the model of the round before runs on."""
    if not STRATEGIES[wildcards.strategy].of_model:
        return []
    return ancient(start_latents(wildcards))


def cnn_latents_to_query(wildcards):
    """The pre-trained model's CNN outputs, for clustering in every round."""
    if "cnn_means" not in STRATEGIES[wildcards.strategy].needs:
        return []
    return ancient(pretrained_latents_file(wildcards))


def surprisal_to_query(wildcards):
    """What the start model is surprised by, for ALPs."""
    if "surprisal" not in STRATEGIES[wildcards.strategy].needs:
        return []
    return ancient(start_latents(wildcards).replace("latents.npy", "surprisal.npy"))


def fraction(wildcards):
    """The labelled fraction of a round; 0 in paths without a round wildcard."""
    return CONFIG["budget"][int(wildcards.get("round", 0))]


def oracle_settings(wildcards):
    """How the simulated annotators of a protocol err, or how people's answers are counted."""
    return CONFIG["protocols"][wildcards.protocol]["oracle"]


def queried_fraction(wildcards):
    """The labelled fraction that a round's query brings, which is one step more when shifted."""
    shift = CONFIG["protocols"][wildcards.protocol]["budget_shift"]
    return labelled_fraction(CONFIG["budget"], int(wildcards.round), shift)


def initial_settings(wildcards):
    """What the K-means initialisation of a protocol depends on."""
    if CONFIG["protocols"][wildcards.protocol]["initial"] == "released":
        return {"method": "released"}
    return CONFIG["initial"]


def settings_of_fit(wildcards):
    """What a fit depends on, and no more."""
    settings = fit_settings(CONFIG["protocols"][wildcards.protocol])
    # at its default it is no setting, so that results from before it existed stay valid
    own = {} if CONFIG["precision"] == "auto" else {"precision": CONFIG["precision"]}
    return {**settings, **own}


def scoring_settings(wildcards):
    """What a pool's scores depend on besides clips and labels, the methods' versions included."""
    tapt = CONFIG["tapt"].get(wildcards.start, {})
    return {
        "methods": METHODS,
        "backbone": backbone_settings(wildcards.backbone),
        "tapt": {
            key: value
            for key, value in tapt.items()
            if key not in ("seed_per_run", "accumulation")
        },
        "fit": settings_of_fit(wildcards),
        **query_settings(CONFIG["protocols"][wildcards.protocol]),
        **PRECISION,
        **{key: CONFIG[key] for key in ("classes", "device", "threads")},
    }


def rounds_so_far(wildcards, name):
    """A file of every round up to this one; round 0 is shared, as in `previous_round`."""
    strategy, _, last = wildcards.place.rpartition("/")
    known = dict(wildcards.items())
    own = SEED.format(**known)
    if not strategy:
        return [f"{own}/round0/{name}"]
    known["protocol"] = round0_protocol(CONFIG["protocols"], wildcards.protocol)
    later = range(1, int(last.removeprefix("round")) + 1)
    return [
        f"{SEED.format(**known)}/round0/{name}",
        *(f"{own}/{strategy}/round{index}/{name}" for index in later),
    ]


def planned_fraction(wildcards):
    """The labelled fraction that the next round of the config's budget brings, None after the last."""
    index = int(wildcards.place.rpartition("round")[2]) + 1
    if index >= len(CONFIG["budget"]):
        return None
    shift = CONFIG["protocols"][wildcards.protocol]["budget_shift"]
    return labelled_fraction(CONFIG["budget"], index, shift)
