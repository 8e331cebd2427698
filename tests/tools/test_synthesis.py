"""The speech synthesiser: determinism, official layouts, pool realism, audible emotions."""

import csv
import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import wavfile
from scipy.signal import resample_poly
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from after_ser.core.errors import InputError
from after_ser.core.seeding import rng
from after_ser.data.corpora.registry import corpus_adapter
from after_ser.tools.synthesis import write
from after_ser.tools.synthesis.emotion import DIMENSIONS, EMOTIONS, Expression, express
from after_ser.tools.synthesis.layouts.registry import LAYOUTS
from after_ser.tools.synthesis.phonemes import inventory, sentence
from after_ser.tools.synthesis.plan import label_counts, plan
from after_ser.tools.synthesis.speakers import make_speaker
from after_ser.tools.synthesis.voice import SAMPLE_RATE, render

FOUR = ("anger", "neutral", "sad", "happy")


def _bytes(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def _load(path):
    """Return the clip as float [samples] at 16 kHz."""
    rate, samples = wavfile.read(path)
    samples = samples / 32768
    if samples.ndim > 1:
        samples = samples.mean(axis=1)
    return samples if rate == 16_000 else resample_poly(samples, 160, rate // 100)


def _features(wave):
    """Log-mel mean and deviation, F0 statistics by autocorrelation, duration, spectral change."""
    wave = (wave - wave.mean()) / wave.std()
    hop, size = 160, 400
    framed = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop] * np.hanning(size)
    power = np.abs(np.fft.rfft(framed, 512)) ** 2
    edges = 700 * (10 ** (np.linspace(90, 2760, 26) / 2595) - 1)
    bins = np.fft.rfftfreq(512, 1 / 16_000)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    mel = np.log(power @ np.clip(np.minimum(rising, falling), 0, None).T + 1e-6)
    energy = np.log(power.sum(axis=1) + 1e-9)
    spoken = energy > energy.max() - 5
    long = np.lib.stride_tricks.sliding_window_view(wave, 640)[::hop]
    window = np.hanning(640)
    correlation = _autocorrelation((long - long.mean(axis=1, keepdims=True)) * window)
    correlation /= correlation[:, :1] + 1e-9
    correlation /= (_autocorrelation(window[None]) / np.sum(window**2)) + 1e-9
    lag = np.argmax(correlation[:, 32:230], axis=1) + 32
    peak = correlation[np.arange(len(lag)), lag]
    voiced = (peak > 0.5) & spoken[: len(peak)]
    tones = 12 * np.log2(160 / lag[voiced]) if voiced.sum() > 5 else np.zeros(6)
    slope = np.polyfit(np.linspace(-1, 1, len(tones)), tones, 1)[0]
    steps = np.abs(np.diff(tones)).clip(0, 3).mean()
    pitch = [np.median(tones), np.std(tones), slope, peak.mean(), voiced.mean(), steps]
    change = np.abs(np.diff(mel, axis=0)).mean()
    return np.r_[
        mel[spoken].mean(axis=0), mel[spoken].std(axis=0), pitch, len(wave) / 16_000, change
    ]


def _autocorrelation(rows):
    return np.fft.irfft(np.abs(np.fft.rfft(rows, 2048)) ** 2)[:, :640]


def _says(layout, emotion, gender="female", number=0):
    """One clip of `emotion`, with its sources named so that only the emotion differs."""
    speaker = make_speaker(layout, f"{gender}{number}", gender, DIMENSIONS, 0)
    draw = rng("test", layout, gender, number)
    words = sentence(inventory("en", layout), f"sentence{number}")
    return render(words, speaker, express(emotion, speaker, draw), draw)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """All corpora, small: layout -> (root, plan)."""
    base = tmp_path_factory.mktemp("corpora")
    result = {}
    for name in LAYOUTS:
        root = base / name
        result[name] = (
            root,
            write.write_corpus(name, root, clips=24, speakers=None, seed=1),
        )
    return result


def test_one_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        write.write_corpus("iemocap", tmp_path / folder, clips=12, speakers=4, seed=seed)
        write.write_pretraining_speech(tmp_path / f"{folder}-pre", 4, seed)
    for suffix in ("", "-pre"):
        first, same, other = (_bytes(tmp_path / f"{folder}{suffix}") for folder in "abc")
        assert first == same
        shared = [path for path in first if path.endswith(".wav") and path in other]
        assert all(first[path] != other[path] for path in shared)
        assert first != other


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_adapter_reads_what_was_written(corpora, name):
    root, planned = corpora[name]
    read = {u.path.relative_to(root).as_posix(): u for u in corpus_adapter(name).scan(root, {})}
    layout = LAYOUTS[name]
    extra = len(layout.defects([clip.speaker for clip in planned])) + layout.duplicated
    assert len(planned) == 24 and len(read) == 24 + extra
    genders = dict(layout.speakers)
    classes = corpus_adapter(name).default_labels
    for clip in planned:
        utterance = read[clip.path]
        assert utterance.speaker == clip.speaker
        assert utterance.gender in ("", genders[clip.speaker])
        emotion = layout.labels[clip.label][0]
        expected = "happy" if emotion == "excitement" else emotion
        assert classes[utterance.raw_label] == (expected if expected in FOUR else None)
        rate, samples = wavfile.read(root / clip.path)
        assert rate == layout.sample_rate and samples.dtype == np.int16
        assert 1.0 <= len(samples) / rate <= 2.5
        assert np.abs(samples).max() > 500


def test_official_names_and_formats():
    expected = {
        "iemocap": 16_000,
        "emodb": 16_000,
        "shemo": 44_100,
        "ravdess": 48_000,
        "emovdb": 16_000,
        "cremad": 16_000,
        "savee": 44_100,
        "esd": 16_000,
    }
    assert {name: layout.sample_rate for name, layout in LAYOUTS.items()} == expected
    counts = {name: len(layout.speakers) for name, layout in LAYOUTS.items()}
    assert counts == dict(
        iemocap=10, emodb=10, shemo=87, ravdess=24, emovdb=4, cremad=91, savee=4, esd=10
    )
    for name, speaker, label, path in (
        ("emodb", "03", "F", "wav/03a01Fa.wav"),
        ("shemo", "F01", "A", "female/F01A01.wav"),
        ("ravdess", "12", "05", "Actor_12/03-01-05-02-01-02-12.wav"),
        ("emovdb", "bea", "sleepiness", "bea/Sleepy/sleepiness_1-28_0015.wav"),
        ("cremad", "1001", "ANG", "AudioWAV/1001_DFA_ANG_XX.wav"),
        ("savee", "DC", "sa", "AudioData/DC/sa15.wav"),
        ("esd", "0011", "Angry", "0011/Angry/train/0011_000401.wav"),
        (
            "iemocap",
            "Ses01F",
            "neu",
            "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        ),
    ):
        assert path in {slot.path for slot in LAYOUTS[name].slots(speaker, label, 12)}
    assert LAYOUTS["emovdb"].slots("josh", "anger", 12) == []


def test_stereo_silent_short_and_identical_clips_are_planted(corpora, tmp_path):
    root, planned = corpora["cremad"]
    assert not wavfile.read(root / "AudioWAV/1076_MTI_SAD_XX.wav")[1].any()
    root, planned = corpora["shemo"]
    rate, samples = wavfile.read(next((root / "female").glob("F01N00.wav")))
    assert len(samples) / rate < 0.3
    write.write_corpus("ravdess", tmp_path / "r", clips=40, speakers=None, seed=0)
    hashes = Counter(hashlib.sha256(data).hexdigest() for data in _bytes(tmp_path / "r").values())
    assert sorted(hashes.values())[-2:] == [1, 2]
    channels = [wavfile.read(path)[1].ndim for path in (tmp_path / "r").rglob("*.wav")]
    assert 1 <= channels.count(2) <= 10


def test_iemocap_evaluations_agree_with_the_labels(corpora):
    root, planned = corpora["iemocap"]
    lines = [
        line
        for path in sorted(root.glob("Session*/dialog/EmoEvaluation/Ses*.txt"))
        for line in path.read_text().split("\n")
    ]
    assert lines[0] == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    assert len([line for line in lines if line.startswith("[")]) == len(planned)
    ratings = {
        emotion: np.array(
            [u.valence for u in corpus_adapter("iemocap").scan(root, {}) if u.raw_label in labels]
        )
        for emotion, labels in {"negative": ("ang", "sad"), "positive": ("hap", "exc")}.items()
    }
    assert ratings["negative"].mean() + 1 < ratings["positive"].mean()
    assert {u.session for u in corpus_adapter("iemocap").scan(root, {})} == {
        f"Ses{number:02d}" for number in range(1, 6)
    }


def test_near_duplicates_and_label_errors_are_a_few_percent():
    layout = LAYOUTS["emodb"]
    planned = plan(layout, 300, [name for name, _ in layout.speakers], 0)
    by_path = {clip.path: clip for clip in planned}
    twins = [clip for clip in planned if clip.twin]
    assert 0.03 <= len(twins) / 300 <= 0.05
    for clip in twins:
        source = by_path[clip.twin]
        assert not source.twin and (source.speaker, source.label) == (clip.speaker, clip.label)
    wrong = [clip for clip in planned if clip.emotion != layout.labels[clip.label][0]]
    assert len(wrong) == 9
    assert all(clip.emotion in FOUR for clip in wrong)


def test_a_near_duplicate_is_the_same_take_but_not_the_same_bytes(corpora):
    root, planned = corpora["emodb"]
    twins = [clip for clip in planned if clip.twin]
    assert twins
    for clip in twins:
        copy, source = _load(root / clip.path), _load(root / clip.twin)
        assert np.corrcoef(copy, source)[0, 1] > 0.99
        assert (root / clip.path).read_bytes() != (root / clip.twin).read_bytes()


def test_label_counts_follow_the_release_and_add_up():
    for layout in LAYOUTS.values():
        for clips in (8, 31, 200):
            counts = label_counts(layout.labels, clips)
            assert sum(counts.values()) == clips and min(counts.values()) >= 0
    counts = label_counts(LAYOUTS["shemo"].labels, 200)
    assert counts["A"] > counts["S"] > counts["H"] > 0


def test_pretraining_speech_shares_no_speaker_and_no_sentence_with_a_corpus(tmp_path, monkeypatch):
    made = []
    original = write.make_speaker
    monkeypatch.setattr(
        write, "make_speaker", lambda *a, **k: made.append((a[0], original(*a, **k))) or made[-1][1]
    )
    said = []
    speak = write.sentence
    monkeypatch.setattr(write, "sentence", lambda s, key, *a: said.append(key) or speak(s, key, *a))
    write.write_pretraining_speech(tmp_path / "pre", 24, 0)
    texts = set(said)
    for name in LAYOUTS:
        write.write_corpus(name, tmp_path / name, clips=8, speakers=2, seed=0)
    voices = {origin: set() for origin, _ in made}
    for origin, speaker in made:
        voices[origin].add(replace(speaker, name=""))
    others = set().union(*(group for origin, group in voices.items() if origin != "pretraining"))
    assert voices["pretraining"] and not voices["pretraining"] & others
    assert texts and not texts & set(said[24:])
    with (tmp_path / "pre/metadata.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 24 and list(rows[0]) == ["path", "speaker", "label"]
    assert {row["label"] for row in rows} == {""}
    assert all((tmp_path / "pre" / row["path"]).is_file() for row in rows)


def test_emotions_move_pitch_tilt_and_tempo_the_expected_way():
    measured = {}
    for emotion in FOUR:
        values = []
        for number in range(5):
            for gender in ("female", "male"):
                wave = _says("direction", emotion, gender, number)
                features = _features(wave)
                length = len(wave) / SAMPLE_RATE
                values.append([features[48], features[51], _tilt(wave), length, wave.std()])
        measured[emotion] = np.mean(values, axis=0)
    pitch, periodicity, tilt, length, level = (
        {emotion: values[i] for emotion, values in measured.items()} for i in range(5)
    )
    assert pitch["anger"] > pitch["neutral"] + 1 and pitch["happy"] > pitch["neutral"] + 1
    assert pitch["sad"] < pitch["neutral"]
    assert tilt["anger"] > max(tilt["neutral"], tilt["happy"], tilt["sad"]) + 1
    assert periodicity["sad"] < periodicity["neutral"]  # breathiness
    assert length["sad"] > length["neutral"] > length["anger"]
    assert level["anger"] > level["neutral"] > level["sad"]


def _tilt(wave):
    """Median level of 1-4 kHz over that below 1 kHz in voiced frames, dB."""
    framed = np.lib.stride_tricks.sliding_window_view(wave, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(framed)) ** 2
    low, high = power[:, :32].sum(axis=1), power[:, 32:128].sum(axis=1)
    voiced = low > np.percentile(low, 50)
    return np.median(10 * np.log10(high[voiced] / low[voiced]))


@pytest.mark.parametrize(
    ("dimension", "more", "feature"),
    [("tilt", 1.0, _tilt), ("breath", -10.0, lambda w: _features(w)[51])],
)
def test_one_dimension_moves_its_own_cue(dimension, more, feature):
    speaker = make_speaker("one", "m", "male", DIMENSIONS, 0)
    words = sentence(inventory("en", "one"), "one")
    values = [
        feature(render(words, speaker, Expression(**{dimension: value}), rng("one", 0)))
        for value in (-more, 0.0, more)
    ]
    assert values[0] < values[1] < values[2]


def test_every_emotion_renders_within_limits_even_at_the_extremes():
    for number, emotion in enumerate(EMOTIONS):
        wave = _says("limits", emotion, "male", number)
        assert np.isfinite(wave).all() and 1.0 <= len(wave) / SAMPLE_RATE <= 2.5
    speaker = make_speaker("limits", "x", "female", DIMENSIONS, 0)
    words = sentence(inventory("mixed", "x"), "x", (8, 8))
    for extreme in (
        Expression(10, 1.8, 9, 0.6, 9, 2, 2, 14, 1, 0.2, 1.5, 0.6, 0),
        Expression(-6, -2, -9, -0.7, -9, -2, -1, -12, -2, -0.2, 0, 0, 1),
    ):
        wave = render(words, speaker, extreme, rng("limits", 0))
        assert np.isfinite(wave).all() and 1.0 <= len(wave) / SAMPLE_RATE <= 2.5


def test_voice_is_periodic_at_the_speakers_pitch():
    speaker = replace(make_speaker("pitch", "m", "male", DIMENSIONS, 0), f0=110.0)
    wave = render(
        sentence(inventory("en", "pitch"), "p"), speaker, Expression(f0_range=-2), rng("pitch", 0)
    )
    assert abs(_features(wave)[48] - 12 * np.log2(1.1)) < 3


def test_unseen_speakers_are_recognised_well_but_not_perfectly(corpora, tmp_path):
    planned = write.write_corpus("iemocap", tmp_path / "c", clips=160, speakers=None, seed=0)
    classes = {label: emotion for label, (emotion, _) in LAYOUTS["iemocap"].labels.items()}
    waves, heard, sessions = [], [], []
    for clip in planned:
        emotion = "happy" if clip.emotion == "excitement" else clip.emotion
        if emotion in FOUR and classes[clip.label] in (*FOUR, "excitement"):
            waves.append(_load(tmp_path / "c" / clip.path))
            heard.append(emotion)
            sessions.append(clip.speaker[:5])
    for features, low, high in (
        (np.array([_features(wave) for wave in waves]), 0.72, 0.93),
        (np.array([[np.log(wave.std())] for wave in waves]), 0.0, 0.7),
    ):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, max_iter=3000, class_weight="balanced")
        )
        guessed = cross_val_predict(model, features, heard, groups=sessions, cv=LeaveOneGroupOut())
        recall = recall_score(heard, guessed, average="macro")
        print(f"unweighted accuracy over unseen sessions: {recall:.3f}")
        assert low < recall < high


def test_wrong_requests_are_one_line_errors(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/precious.wav").write_bytes(b"x")
    for layout, root, clips, speakers, expected in (
        ("emodbb", "new", 20, None, "expected one of"),
        ("emodb", "full", 20, None, "not empty"),
        ("emodb", "new", 3, None, "at least 8"),
        ("emodb", "new", 20, 11, "expected 1 to 10"),
        ("iemocap", "new", 20, 3, "even number"),
        ("ravdess", "new2", 900, 2, "fewer clips or more speakers"),
    ):
        with pytest.raises(InputError, match=expected) as error:
            write.write_corpus(layout, tmp_path / root, clips=clips, speakers=speakers, seed=0)
        assert "\n" not in str(error.value)
    assert (tmp_path / "full/precious.wav").read_bytes() == b"x"
