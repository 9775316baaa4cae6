"""The torch engine: reading CTranslate2 weights needs no torch; all else is marked `torch`."""

from __future__ import annotations

import importlib.util
import itertools
import os
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voicemed import asr, audio, weights, whisper_torch
from voicemed.asr import Effort
from voicemed.audio import SAMPLE_RATE, Samples
from voicemed.errors import ConfigError, DownloadError, EngineError, ModelDamaged, ModelMissing

LAYERS, STATE, HEADS, VOCABULARY = 2, 16, 2, 51865
END_OF_TEXT = 50257
"Token of the multilingual models; one less in the English ones."

State = dict[str, NDArray[Any]]


@pytest.fixture(scope="session")
def torch() -> Any:
    module = pytest.importorskip("torch")
    # On a busy machine two threads that wait for each other are much slower than one.
    module.set_num_threads(1)
    return module


# ---- A tiny random Whisper ---------------------------------------------------------------------


def tiny_state(vocabulary: int = VOCABULARY) -> State:
    """An openai-whisper state dict with random weights, and no two arrays alike.

    It says a few tokens that depend on the sound, then ends: later positions point there.
    """
    rng = np.random.default_rng(7)
    state: State = {}

    def add(name: str, *shape: int) -> None:
        state[name] = rng.normal(0, 0.3, shape).astype(np.float32)

    def add_linear(name: str, outputs: int, inputs: int, *, bias: bool = True) -> None:
        add(f"{name}.weight", outputs, inputs)
        if bias:
            add(f"{name}.bias", outputs)

    def add_norm(name: str) -> None:
        add(f"{name}.weight", STATE)
        add(f"{name}.bias", STATE)

    add("encoder.conv1.weight", STATE, 80, 3)
    add("encoder.conv1.bias", STATE)
    add("encoder.conv2.weight", STATE, STATE, 3)
    add("encoder.conv2.bias", STATE)
    add("encoder.positional_embedding", 1500, STATE)
    add_norm("encoder.ln_post")
    add("decoder.token_embedding.weight", vocabulary, STATE)
    add("decoder.positional_embedding", 448, STATE)
    add_norm("decoder.ln")
    for side, attentions in (("encoder", ["attn"]), ("decoder", ["attn", "cross_attn"])):
        for layer in range(LAYERS):
            block = f"{side}.blocks.{layer}"
            for attention in attentions:
                for part in ("query", "key", "value", "out"):
                    add_linear(f"{block}.{attention}.{part}", STATE, STATE, bias=part != "key")
                add_norm(f"{block}.{attention}_ln")
            add_linear(f"{block}.mlp.0", 4 * STATE, STATE)
            add_linear(f"{block}.mlp.2", STATE, 4 * STATE)
            add_norm(f"{block}.mlp_ln")
    end = np.resize(np.array([1, -1], np.float32), STATE)
    state["decoder.ln.weight"] += 1
    state["decoder.token_embedding.weight"][END_OF_TEXT - (VOCABULARY - vocabulary)] = 2 * end
    state["decoder.positional_embedding"] *= 12
    state["decoder.positional_embedding"][:12] -= end
    state["decoder.positional_embedding"][12:] += 200 * end
    for layer in range(LAYERS):
        state[f"decoder.blocks.{layer}.cross_attn.out.weight"] *= 8
    return state


def write_ctranslate2(state: State, folder: Path, quantization: str | None = None) -> Path:
    """Save a state dict as a CTranslate2 model, by CTranslate2's own specification and writer."""
    specs = pytest.importorskip("ctranslate2.specs")
    spec = specs.WhisperSpec(LAYERS, HEADS, LAYERS, HEADS)

    def linear(target: Any, *names: str) -> None:
        target.weight = np.concatenate([state[f"{name}.weight"] for name in names])
        no_bias = np.zeros(STATE, np.float32)
        target.bias = np.concatenate([state.get(f"{name}.bias", no_bias) for name in names])

    def norm(target: Any, name: str) -> None:
        target.gamma, target.beta = state[f"{name}.weight"], state[f"{name}.bias"]

    linear(spec.encoder.conv1, "encoder.conv1")
    linear(spec.encoder.conv2, "encoder.conv2")
    norm(spec.encoder.layer_norm, "encoder.ln_post")
    norm(spec.decoder.layer_norm, "decoder.ln")
    spec.encoder.position_encodings.encodings = state["encoder.positional_embedding"]
    spec.decoder.position_encodings.encodings = state["decoder.positional_embedding"]
    spec.decoder.embeddings.weight = state["decoder.token_embedding.weight"]
    spec.decoder.projection.weight = state["decoder.token_embedding.weight"]
    for side, layers in (("encoder", spec.encoder.layer), ("decoder", spec.decoder.layer)):
        for number, layer in enumerate(layers):
            block = f"{side}.blocks.{number}"
            own = f"{block}.attn"
            linear(layer.self_attention.linear[0], f"{own}.query", f"{own}.key", f"{own}.value")
            linear(layer.self_attention.linear[1], f"{own}.out")
            norm(layer.self_attention.layer_norm, f"{block}.attn_ln")
            linear(layer.ffn.linear_0, f"{block}.mlp.0")
            linear(layer.ffn.linear_1, f"{block}.mlp.2")
            norm(layer.ffn.layer_norm, f"{block}.mlp_ln")
            if side == "decoder":
                cross = f"{block}.cross_attn"
                linear(layer.attention.linear[0], f"{cross}.query")
                linear(layer.attention.linear[1], f"{cross}.key", f"{cross}.value")
                linear(layer.attention.linear[2], f"{cross}.out")
                norm(layer.attention.layer_norm, f"{block}.cross_attn_ln")
    vocabulary = len(state["decoder.token_embedding.weight"])
    spec.register_vocabulary([str(number) for number in range(vocabulary)])
    spec.config.alignment_heads = [(0, 1), (1, 0), (1, 1)]
    spec.validate()
    spec.optimize(quantization)
    folder.mkdir(exist_ok=True)
    spec.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ctranslate2(tiny_state(), tmp_path_factory.mktemp("tiny") / "whisper-tiny-random")


@pytest.fixture(scope="module")
def tiny(torch: Any, tiny_folder: Path) -> whisper_torch.TorchDecoder:
    return whisper_torch.load(tiny_folder, "cpu")


def noises(*seconds: float) -> list[Samples]:
    rng = np.random.default_rng(3)
    return [
        rng.normal(0, 0.1, int(duration * SAMPLE_RATE)).astype(np.float32) for duration in seconds
    ]


# ---- Reading CTranslate2 weights ---------------------------------------------------------------


def test_convert_renames_and_splits_every_weight(tiny_folder: Path) -> None:
    dims, state = whisper_torch.convert(tiny_folder / "model.bin")
    expected = tiny_state()
    assert dims == {
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": STATE,
        "n_audio_head": HEADS,
        "n_audio_layer": LAYERS,
        "n_vocab": VOCABULARY,
        "n_text_ctx": 448,
        "n_text_state": STATE,
        "n_text_head": HEADS,
        "n_text_layer": LAYERS,
    }
    assert state.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("quantization", "tolerance"),
    [("float16", 1e-3), ("int16", 1e-3), ("int8", 4e-3), ("int8_float16", 4e-3)],
)
def test_convert_dequantises(tmp_path: Path, quantization: str, tolerance: float) -> None:
    write_ctranslate2(tiny_state(), tmp_path, quantization)
    _, state = whisper_torch.convert(tmp_path / "model.bin")
    expected = tiny_state()
    assert state.keys() == expected.keys()
    for name, array in expected.items():
        assert state[name].dtype.kind == "f"
        worst = np.abs(state[name].astype(np.float32) - array).max()
        assert worst <= tolerance * np.abs(array).max(), name


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, shape: Sequence[int], kind: int, payload: bytes) -> bytes:
    dims = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return string(name) + dims + struct.pack("<BI", kind, len(payload)) + payload


def model_bin(
    *variables: bytes, version: int = 6, aliases: Sequence[tuple[str, str]] = ()
) -> bytes:
    head = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<I", 3)
    tail = b"".join(string(alias) + string(name) for alias, name in aliases)
    count = struct.pack("<I", len(variables))
    return head + count + b"".join(variables) + struct.pack("<I", len(aliases)) + tail


def read(data: bytes) -> State:
    return whisper_torch.read_variables(np.frombuffer(data, np.uint8))


FLOATS = np.array([1.5, -2.0, 0.0, 3.0], dtype="<f4")


def test_read_variables_understands_each_number_type() -> None:
    variables = read(
        model_bin(
            variable("a/weight", [2, 2], 0, FLOATS.tobytes()),
            variable("b/weight", [2, 2], 1, np.array([127, -64, 0, 10], np.int8).tobytes()),
            variable("b/weight_scale", [2], 0, np.array([127.0, 2.0], "<f4").tobytes()),
            variable("c/weight", [2], 2, np.array([1024, -512], "<i2").tobytes()),
            variable("c/weight_scale", [], 0, np.array(1024.0, "<f4").tobytes()),
            variable("d/num_heads", [], 2, np.array(8, "<i2").tobytes()),
            variable("e/bias", [4], 4, FLOATS.astype("<f2").tobytes()),
            # bfloat16 is the upper half of a float32
            variable("f/bias", [4], 5, FLOATS.view("<u4").__rshift__(16).astype("<u2").tobytes()),
            aliases=[("g/weight", "b/weight")],
        )
    )
    np.testing.assert_array_equal(variables["a/weight"], FLOATS.reshape(2, 2))
    np.testing.assert_allclose(variables["b/weight"], [[1.0, -64 / 127], [0.0, 5.0]])
    np.testing.assert_array_equal(variables["c/weight"], [1.0, -0.5])
    assert int(variables["d/num_heads"]) == 8
    np.testing.assert_array_equal(variables["e/bias"], FLOATS)
    np.testing.assert_array_equal(variables["f/bias"], FLOATS)
    np.testing.assert_array_equal(variables["g/weight"], variables["b/weight"])
    assert "b/weight_scale" not in variables


GOOD = model_bin(
    variable("a/weight", [2, 2], 0, FLOATS.tobytes()),
    variable("b/weight", [2, 2], 1, np.array([127, -64, 0, 10], np.int8).tobytes()),
    variable("b/weight_scale", [2], 0, np.array([127.0, 2.0], "<f4").tobytes()),
    aliases=[("c/weight", "a/weight")],
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD + b"\0",
        model_bin(version=3),
        GOOD.replace(b"WhisperSpec", b"MarianaSpec"),
        model_bin(variable("a", [2, 3], 0, FLOATS.tobytes())),
        model_bin(variable("a", [4], 9, FLOATS.tobytes())),
        model_bin(variable("a", [5], 1, b"\1\2\3\4\5")),
        model_bin(variable("a", [4], 0, FLOATS.tobytes()), variable("a", [1], 0, b"\0\0\0\0")),
        model_bin(variable("a", [4], 1, b"\1" * 4), variable("a_scale", [3], 0, b"\1" * 12)),
        model_bin(variable("a", [4], 0, FLOATS.tobytes()), aliases=[("b", "c")]),
    ],
    ids=[
        "empty",
        "longer",
        "version",
        "other model",
        "shape",
        "number type",
        "no scale",
        "twice",
        "scale of another shape",
        "alias of nothing",
    ],
)
def test_read_variables_refuses_what_is_not_one_whole_whisper(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(data)


@given(st.integers(0, len(GOOD) - 1))
def test_read_variables_refuses_a_cut_file(length: int) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(GOOD[:length])


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1))
def test_read_variables_survives_any_change(changes: list[tuple[int, int]]) -> None:
    data = bytearray(GOOD)
    for position, value in changes:
        data[position] = value
    try:
        variables = read(bytes(data))
    except ValueError:
        return
    assert sum(array.nbytes for array in variables.values()) < 8 * len(GOOD)


@given(cut=st.floats(0, 1, exclude_max=True))
@settings(max_examples=20)
def test_convert_says_that_a_cut_file_is_damaged(
    cut: float, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = (tiny_folder / "model.bin").read_bytes()
    file = tmp_path_factory.mktemp("cut") / "model.bin"
    file.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(ModelDamaged, match=r"model\.bin.*voicemed models pull"):
        whisper_torch.convert(file)
    file.unlink()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"encoder/num_heads", b"encoder/num_hands"),
        (b"encoder/layer_1/ffn/linear_0/bias", b"encoder/layer_1/ffn/linear_9/bias"),
        (b"encoder/conv1/bias", b"encoder/conv3/bias"),
    ],
)
def test_convert_refuses_other_names(
    tiny_folder: Path, tmp_path: Path, old: bytes, new: bytes
) -> None:
    data = (tiny_folder / "model.bin").read_bytes()
    assert old in data
    (tmp_path / "model.bin").write_bytes(data.replace(old, new))
    with pytest.raises(ModelDamaged, match=r"model\.bin"):
        whisper_torch.convert(tmp_path / "model.bin")


def test_convert_of_nothing_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="voicemed models pull"):
        whisper_torch.convert(tmp_path / "model.bin")


def test_gpu_available_imports_nothing_where_torch_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(importlib.util, "find_spec", asked.append)  # returns None
    monkeypatch.setitem(__import__("sys").modules, "torch", None)  # an import would raise
    assert not whisper_torch.gpu_available()
    assert asked == ["torch"]


def test_load_says_how_to_install_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(EngineError, match=r"pip install 'voicemed\[gpu\]'"):
        whisper_torch.load(tmp_path)


# ---- Loading -----------------------------------------------------------------------------------


@pytest.mark.torch
def test_gpu_available_asks_torch(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=answer: answer)
        assert whisper_torch.gpu_available() is answer


@pytest.mark.torch
def test_load_refuses_a_gpu_that_is_not_there(
    torch: Any, monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="torch sees no GPU"):
        whisper_torch.load(tiny_folder, "cuda")


@pytest.mark.torch
@pytest.mark.parametrize(
    "config",
    ["", "{}", "[]", '{"alignment_heads": []}', '{"alignment_heads": [[9, 9]]}'],
)
def test_load_refuses_a_damaged_config(
    torch: Any, tiny_folder: Path, tmp_path: Path, config: str
) -> None:
    (tmp_path / "model.bin").symlink_to(tiny_folder / "model.bin")
    with pytest.raises(ModelMissing, match=r"config\.json"):
        whisper_torch.load(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelDamaged, match=r"config\.json"):
        whisper_torch.load(tmp_path)


@pytest.mark.torch
def test_load_refuses_missing_weights(torch: Any, tiny_folder: Path, tmp_path: Path) -> None:
    state = tiny_state()
    state["decoder.ln.weight"] = np.ones(STATE + 1, np.float32)
    with pytest.raises(ModelDamaged, match="wrong shapes"):
        whisper_torch.load(write_ctranslate2(state, tmp_path))


@pytest.mark.torch
def test_load_reads_a_checkpoint(
    torch: Any, tiny: whisper_torch.TorchDecoder, tiny_folder: Path, tmp_path: Path
) -> None:
    dims, state = whisper_torch.convert(tiny_folder / "model.bin")
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    torch.save({"dims": dims, "model_state_dict": tensors}, tmp_path / "tiny.pt")
    decoder = whisper_torch.load(tmp_path / "tiny.pt", "cpu")
    (theirs,), (ours,) = (d.decode(noises(1.0), language="en") for d in (decoder, tiny))
    assert theirs.text == ours.text != ""


class Payload:
    """Pickles as a call of os.mkdir."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.torch
def test_load_runs_nothing_in_a_checkpoint(torch: Any, tmp_path: Path) -> None:
    torch.save({"dims": {}, "model_state_dict": Payload(tmp_path / "ran")}, tmp_path / "evil.pt")
    with pytest.raises(ModelDamaged, match=r"evil\.pt"):
        whisper_torch.load(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.torch
@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\3\4"])
def test_load_refuses_a_damaged_checkpoint(torch: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base.pt").write_bytes(content)
    with pytest.raises(ModelDamaged, match=r"base\.pt"):
        whisper_torch.load(tmp_path / "base.pt")


@pytest.mark.torch
def test_load_of_an_unknown_name(torch: Any) -> None:
    with pytest.raises(ModelMissing, match="voicemed models list"):
        whisper_torch.load("whisper-gigantic")


@pytest.mark.torch
def test_load_by_name_without_network(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(DownloadError, match="no route"):
        whisper_torch.load("tiny")


# ---- Front end ---------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("n_mels", [80, 128])
def test_log_mel_is_openai_whispers(
    torch: Any, monkeypatch: pytest.MonkeyPatch, n_mels: int
) -> None:
    pytest.importorskip("torchaudio")
    # Of different loudness: each is scaled to its own maximum.
    batch = [gain * samples for gain, samples in zip((1.0, 0.01), noises(2.0, 5.0), strict=True)]
    by_torchaudio = whisper_torch.LogMel(n_mels, "cpu")(batch)
    monkeypatch.setitem(__import__("sys").modules, "torchaudio.transforms", None)
    by_whisper = whisper_torch.LogMel(n_mels, "cpu")(batch)
    assert by_torchaudio.shape == by_whisper.shape == (2, n_mels, 3000)
    assert (by_torchaudio - by_whisper).abs().max() < 1e-4


@pytest.mark.torch
@pytest.mark.parametrize("rates", [(8000, 16000), (44100, 16000)])
def test_resample_keeps_a_tone(torch: Any, rates: tuple[int, int]) -> None:
    pytest.importorskip("torchaudio")
    tones = [np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32) for rate in rates]
    resampled = whisper_torch.resample(tones[0], *rates)
    assert resampled.dtype == np.float32
    assert resampled.shape == tones[1].shape
    inside = slice(200, -200)  # the filter sees the cut at both ends
    np.testing.assert_allclose(resampled[inside], tones[1][inside], atol=1e-3)


# ---- Decoding with random weights --------------------------------------------------------------


@pytest.mark.torch
def test_decode_keeps_the_order_whatever_the_batch(tiny: whisper_torch.TorchDecoder) -> None:
    batch = noises(3.0, 0.5, 8.0, 1.0, 2.0)
    one_by_one = [tiny.decode([samples], language="en")[0] for samples in batch]
    together = whisper_torch.TorchDecoder(tiny._model, batch_size=3).decode(batch, language="en")
    assert [h.text for h in together] == [h.text for h in one_by_one]
    assert len({h.text for h in together}) > 1
    for hypothesis, samples in zip(together, batch, strict=True):
        check_contract(hypothesis, len(samples) / SAMPLE_RATE)


def check_contract(hypothesis: asr.Hypothesis, duration: float) -> None:
    assert "".join(word.text for word in hypothesis.words).strip() == hypothesis.text
    times = [time for word in hypothesis.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= time <= duration for time in times)
    assert all(0 <= word.probability <= 1 for word in hypothesis.words)
    assert hypothesis.avg_logprob <= 0
    assert 0 <= hypothesis.no_speech_prob <= 1


@pytest.mark.torch
def test_decode_of_nothing(tiny: whisper_torch.TorchDecoder) -> None:
    assert tiny.decode([], language="en") == []
    (hypothesis,) = tiny.decode([np.zeros(0, np.float32)], language="en")
    check_contract(hypothesis, 0.0)


@pytest.mark.torch
def test_decode_refuses_more_than_the_window(tiny: whisper_torch.TorchDecoder) -> None:
    with pytest.raises(ValueError, match="30 s"):
        tiny.decode([np.zeros(30 * SAMPLE_RATE + 1, np.float32)], language="en")


@pytest.mark.torch
def test_decode_detects_a_language(tiny: whisper_torch.TorchDecoder) -> None:
    (detected,) = tiny.decode(noises(1.0), language=None)
    (given_it,) = tiny.decode(noises(1.0), language=detected.language)
    assert detected == given_it


@pytest.mark.torch
def test_decode_refuses_languages_that_the_model_lacks(
    tiny: whisper_torch.TorchDecoder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="'klingon'"):
        tiny.decode(noises(1.0), language="klingon")
    with pytest.raises(ConfigError, match="'yue'"):  # only large-v3 has it
        tiny.decode(noises(1.0), language="yue")
    english = whisper_torch.load(write_ctranslate2(tiny_state(VOCABULARY - 1), tmp_path), "cpu")
    with pytest.raises(ConfigError, match="only en"):
        english.decode(noises(1.0), language="zh")
    (hypothesis,) = english.decode(noises(1.0), language=None)
    assert hypothesis.language == "en"


@pytest.mark.torch
def test_decode_takes_control_tokens_in_a_prompt_as_text(tiny: whisper_torch.TorchDecoder) -> None:
    plain, prompted = (
        tiny.decode(noises(1.0), language="en", prompt=prompt)[0]
        for prompt in ("", "<|endoftext|> metoprolol")
    )
    assert prompted.text != plain.text


@pytest.mark.torch
def test_decode_keeps_to_a_prefix(tiny: whisper_torch.TorchDecoder) -> None:
    for prefix, effort in itertools.product(("So", "so " * 230), Effort):
        (hypothesis,) = tiny.decode(
            noises(1.0), language="en", prefix=prefix, prompt="drugs " * 300, effort=effort
        )
        assert hypothesis.text.startswith(prefix.strip())
        assert hypothesis.tokens < 225 + len(prefix.split())
        check_contract(hypothesis, 1.0)


@pytest.mark.torch
def test_decode_in_fp16(tiny_folder: Path, torch: Any) -> None:
    decoder = whisper_torch.load(tiny_folder, "cpu")
    whisper_torch.halve(decoder._model)
    halved = whisper_torch.TorchDecoder(decoder._model)
    (hypothesis,) = halved.decode(noises(1.0), language="en")
    check_contract(hypothesis, 1.0)


@pytest.mark.torch
def test_decode_halves_a_batch_that_does_not_fit(
    tiny: whisper_torch.TorchDecoder, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whisper import decoding

    decode, limit = decoding.decode, 2
    sizes: list[int] = []

    def decode_with_little_memory(model: Any, mel: Any, options: Any) -> Any:
        sizes.append(len(mel))
        if len(mel) > limit:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return decode(model, mel, options)

    batch = noises(1.0, 2.0, 3.0, 4.0, 5.0)
    expected = [h.text for h in tiny.decode(batch, language="en")]
    monkeypatch.setattr(decoding, "decode", decode_with_little_memory)
    decoder = whisper_torch.TorchDecoder(tiny._model, batch_size=5)
    assert [h.text for h in decoder.decode(batch, language="en")] == expected
    assert sizes == [5, 2, 3, 1, 2]
    sizes.clear()
    decoder.decode(batch, language="en")
    assert max(sizes) <= limit  # remembered

    limit = 0
    with pytest.raises(EngineError, match="not enough free memory"):
        decoder.decode(batch, language="en")


@pytest.mark.torch
def test_decode_says_that_the_gpu_failed(
    tiny: whisper_torch.TorchDecoder, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whisper import decoding

    def fail(*_arguments: object) -> None:
        raise torch.AcceleratorError("CUDA error: the launch timed out\nmore lines")

    monkeypatch.setattr(decoding, "decode", fail)
    with pytest.raises(EngineError, match=r"the GPU failed: CUDA error: the launch timed out$"):
        tiny.decode(noises(1.0), language="en")


@pytest.mark.torch
def test_decode_from_two_threads(tiny: whisper_torch.TorchDecoder) -> None:
    batches = [noises(1.0, 2.0), noises(4.0)]
    expected = [[h.text for h in tiny.decode(batch, language="en")] for batch in batches]
    together = threading.Barrier(2)
    results: dict[int, list[list[str]]] = {0: [], 1: []}

    def work(index: int) -> None:
        together.wait()
        for _ in range(5):
            hypotheses = tiny.decode(batches[index], language="en")
            results[index].append([h.text for h in hypotheses])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {index: [texts] * 5 for index, texts in enumerate(expected)}


# ---- Decoding with the default model -----------------------------------------------------------


ENGLISH = Path(__file__).parents[2] / "shared" / "data" / "audio" / "english"
ASK_NOT = (
    "And so my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)


@pytest.fixture(scope="module")
def base(torch: Any) -> whisper_torch.TorchDecoder:
    return whisper_torch.load(weights.locate("whisper-base"), "cpu")


@pytest.fixture(scope="module")
def jfk() -> Samples:
    return audio.read(ENGLISH / "jfk.flac")


@pytest.mark.torch
@pytest.mark.models
@pytest.mark.shared_data
def test_encoder_computes_what_ctranslate2_computes(
    base: whisper_torch.TorchDecoder, torch: Any, jfk: Samples
) -> None:
    import ctranslate2

    mel = whisper_torch.LogMel(80, "cpu")([jfk])
    with torch.inference_mode():
        ours = base._model.encoder(mel).numpy()
    folder = str(weights.locate("whisper-base"))
    model = ctranslate2.models.Whisper(folder, device="cpu", compute_type="float32")
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(mel.contiguous().numpy())))
    assert np.abs(ours).max() > 10
    assert np.abs(ours - theirs).max() < 0.005


@pytest.mark.torch
@pytest.mark.models
@pytest.mark.shared_data
def test_decode_reads_what_ctranslate2_reads(base: whisper_torch.TorchDecoder) -> None:
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    from voicemed import whisper_ct2

    normalise = EnglishTextNormalizer()
    names = ["jfk.flac", "librispeech-1995-1837-0001.wav"]
    batch = [audio.read(ENGLISH / name) for name in names]
    ct2 = whisper_ct2.load(weights.locate("whisper-base"), threads=1)
    reference = ct2.decode(batch, language="en")
    ours = base.decode(batch, language="en")
    error_rate = jiwer.wer(
        [normalise(h.text) for h in reference], [normalise(h.text) for h in ours]
    )
    assert error_rate < 0.06
    assert ours[0].text == ASK_NOT


@pytest.mark.torch
@pytest.mark.models
@pytest.mark.shared_data
def test_decode_places_words_as_openai_whisper_does(
    base: whisper_torch.TorchDecoder, jfk: Samples
) -> None:
    from whisper import timing

    beginning = jfk[: 7 * SAMPLE_RATE]
    # Together with a longer one, to whose tokens it is padded.
    hypothesis, whole = base.decode([beginning, jfk], language="en")
    check_contract(hypothesis, 7.0)
    check_contract(whole, 11.0)
    tokenizer = base._tokenizer("en")
    expected = timing.find_alignment(
        base._model,
        tokenizer,
        tokenizer.encode(" " + hypothesis.text),
        whisper_torch.LogMel(80, "cpu")([beginning])[0],
        num_frames=len(beginning) // 160,
    )
    timing.merge_punctuations(expected, "", ".,")
    expected = [word for word in expected if word.word]
    assert len(expected) > 10
    assert [word.text for word in hypothesis.words] == [word.word for word in expected]
    for word, timed in zip(hypothesis.words, expected, strict=True):
        assert word.start == pytest.approx(timed.start, abs=0.021)
        assert word.end == pytest.approx(timed.end, abs=0.021)
        assert word.probability == pytest.approx(timed.probability, abs=0.01)


@pytest.mark.torch
@pytest.mark.models
@pytest.mark.shared_data
def test_decode_goes_on_after_a_prefix(base: whisper_torch.TorchDecoder, jfk: Samples) -> None:
    prefix = "And so, my fellow Americans, ask not what your country"
    (hypothesis,) = base.decode([jfk], language="en", prefix=prefix)
    assert hypothesis.text == f"{prefix} can do for you, ask what you can do for your country."
    assert [word.text for word in hypothesis.words[:2]] == [" And", " so,"]
    assert hypothesis.tokens == 26  # the 12 of the prefix included
    (complete,) = base.decode([jfk], language="en", prefix=ASK_NOT)
    assert (complete.text, complete.tokens) == (ASK_NOT, 25)  # nothing after the prefix


@pytest.mark.torch
@pytest.mark.models
@pytest.mark.shared_data
def test_decode_with_care(base: whisper_torch.TorchDecoder, jfk: Samples) -> None:
    (hypothesis,) = base.decode([jfk[: 3 * SAMPLE_RATE]], language=None, effort=Effort.CAREFUL)
    assert hypothesis.language == "en"
    assert hypothesis.text.rstrip(".") == "And so my fellow Americans"
