import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from memory import UsageError
from tests.unlearn.tiny import World, untrained
from unlearn.model import LocalModel
from unlearn.probes import Fact, Probe, known
from unlearn.score import ask, say, scores
from unlearn.tokens import answers, batches, encode, padded

MIRA = Fact("Mira Tolvane", "phone", "55 12 34")


@pytest.fixture(scope="module")
def pieces() -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer that puts a mark before and behind each text."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    marks = ["<pad>", "<bos>", "<eos>"]
    texts = [probe.prompt + probe.answer for probe in known(MIRA)]
    raw.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=290,
            special_tokens=marks,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    raw.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
    )


@pytest.fixture(scope="module")
def random_model(pieces: PreTrainedTokenizerFast) -> LocalModel:
    net = untrained(pieces, hidden_size=16, intermediate_size=24)
    return LocalModel.of(net, pieces)


def test_places_come_from_the_text_and_not_from_counting_pieces(
    pieces: PreTrainedTokenizerFast,
) -> None:
    for probe, one in zip(known(MIRA), encode(pieces, known(MIRA)), strict=True):
        assert one.ids[0] == 1, "the mark before the text stays"
        assert one.ids[-1] != 2, "the mark behind it would end the answer"
        assert pieces.decode(one.ids[1 : one.start]) == probe.prompt
        assert pieces.decode(one.ids[one.start :]) == probe.answer
        assert pieces.decode(one.ids[1 : one.subject + 1]).endswith("Mira Tolvane")


def test_closed_answers_end_with_the_end_mark(pieces: PreTrainedTokenizerFast) -> None:
    [one] = encode(pieces, known(MIRA)[:1], closed=True)
    [bare] = encode(pieces, [Probe("To call", "")], closed=True)

    assert one.ids[-1] == 2
    assert bare.ids[-1] != 2
    assert bare.start == len(bare.ids)


def test_answer_with_nothing_before_it_is_refused() -> None:
    raw = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()

    with pytest.raises(UsageError, match="no prompt"):
        encode(PreTrainedTokenizerFast(tokenizer_object=raw), [Probe("", "a")])


def test_probability_of_an_answer_is_the_product_over_its_tokens(random_model: LocalModel) -> None:
    coded = encode(random_model.tokenizer, known(MIRA))

    found = scores(random_model, coded)

    for one, log_p, hit in zip(coded, found.log_p, found.hits, strict=True):
        logits = random_model.net(input_ids=torch.tensor([one.ids])).logits[0].double()
        table = torch.log_softmax(logits, -1)
        expected = sum(table[i - 1, one.ids[i]].item() for i in range(one.start, len(one.ids)))
        assert log_p.item() == pytest.approx(expected, rel=1e-4)
        assert not hit


def test_order_and_company_in_a_batch_do_not_matter(random_model: LocalModel) -> None:
    probes = [*known(MIRA), *known(Fact("Jo", "city", "Lima"))]

    together = ask(random_model, probes).log_p

    alone = torch.cat([ask(random_model, [one]).log_p for one in probes])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    backwards = ask(random_model, probes[::-1]).log_p
    torch.testing.assert_close(together, backwards.flip(0), rtol=1e-4, atol=1e-4)


def test_batches_hold_every_probe_once_and_stay_small(pieces: PreTrainedTokenizerFast) -> None:
    coded = encode(pieces, [Probe("x" * i, " y") for i in range(1, 60)])

    groups = list(batches(coded, tokens=200))

    assert sorted(i for group in groups for i in group) == list(range(59))
    assert all(
        len(group) == 1 or padded([coded[i] for i in group]).numel() <= 200 for group in groups
    )


def test_predictions_are_read_one_place_before_their_token(pieces: PreTrainedTokenizerFast) -> None:
    coded = encode(pieces, known(MIRA))

    rows, places, tokens = answers(coded)

    for row, place, token in zip(rows.tolist(), places.tolist(), tokens.tolist(), strict=True):
        assert coded[row].ids[place + 1] == token
        assert place >= coded[row].last


def test_trained_model_says_what_it_was_told(reciter: LocalModel, people: World) -> None:
    probes = [probe for fact in people.people[0] for probe in known(fact)][:3]

    assert ask(reciter, probes).rate == 1.0
    assert ask(reciter, probes).probability > 0.9
    assert [text.replace(" ", "") for text in say(reciter, [one.prompt for one in probes])] == [
        one.answer.replace(" ", "") for one in probes
    ]


def test_a_wrong_answer_is_no_hit_though_its_beginning_is_right(
    reciter: LocalModel, people: World
) -> None:
    phone = next(fact for fact in people.people[0] if fact.relation == "phone")
    last = "0" if phone.value[-1] != "0" else "1"
    wrong = Fact(phone.subject, "phone", phone.value[:-1] + last)

    assert ask(reciter, known(phone)[:1]).rate == 1.0
    assert ask(reciter, known(wrong)[:1]).rate == 0.0


def test_nothing_asked_is_nothing_known(reciter: LocalModel) -> None:
    assert ask(reciter, []).rate == 0.0
    assert ask(reciter, []).probability == 0.0
