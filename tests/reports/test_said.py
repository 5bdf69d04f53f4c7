"""Sentences in several languages."""

from crossfade.said import Said, percent

RUSSIAN = {
    ",": "\N{NO-BREAK SPACE}",
    ".": ",",
    "{count} calls": "вызовов: {count}",
    "Wait: {what} at {share}; {days} days; {why}.": "Ждать: {what} при {share}; дней: {days}; {why}.",
    "lane full": "полоса занята",
}
SENTENCE = Said(
    "Wait: {what} at {share}; {days} days; {why}.",
    what=Said("{count} calls", count=12_345),
    share=0.123,
    days="4.5",
    why="lane full",
)


def test_english_is_the_template_filled() -> None:
    assert str(SENTENCE) == "Wait: 12,345 calls at 12 %; 4.5 days; lane full."


def test_another_language_turns_templates_numbers_and_words() -> None:
    told = SENTENCE.told(RUSSIAN)

    assert told == "Ждать: вызовов: 12\N{NO-BREAK SPACE}345 при 12 %; дней: 4,5; полоса занята."


def test_what_the_table_lacks_is_said_in_english() -> None:
    assert Said("Only {tools}.", tools=["shell", "kb"]).told(RUSSIAN) == "Only shell, kb."


def test_shares_have_two_digits() -> None:
    assert [percent(each) for each in (0.0, 0.0123, 0.5, 0.999, 1.0)] == ["0 %", "1.2 %", "50 %", "100 %", "100 %"]
