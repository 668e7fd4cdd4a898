"""A run as JUnit XML, which CI systems show as test results."""

from xml.sax.saxutils import escape, quoteattr

from frontdesk.evaluation.schemas import CaseResult, RunPublic


def as_junit(run: RunPublic) -> str:
    """The cases of a run as a suite of tests."""
    failed = sum(not result.passed for result in run.results)
    seconds = sum(result.seconds for result in run.results)
    cases = "".join(_case(result) for result in run.results)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="evaluation {run.id}" tests="{len(run.results)}" failures="{failed}" '
        f'time="{seconds:.3f}">\n{cases}</testsuite>\n'
    )


def _case(result: CaseResult) -> str:
    name = quoteattr(
        _plain(f"{result.name} #{result.repeat}" if result.repeat > 1 else result.name)
    )
    tags = quoteattr(_plain(".".join(["evaluation", *result.tags])))
    start = f'  <testcase classname={tags} name={name} time="{result.seconds:.3f}"'
    if result.passed:
        return f"{start}/>\n"
    why = _plain("; ".join(result.failures))
    text = escape(_plain(result.text or ""))
    return f"{start}><failure message={quoteattr(why)}>{text}</failure></testcase>\n"


def _plain(text: str) -> str:
    """Without the characters that XML can't hold."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
