"""The table of providers: where each answers, with which key, and how LiteLLM is to speak to it."""

from dataclasses import dataclass, field

from pydantic import SecretStr

from frontdesk.core.settings import Settings

# Those LiteLLM speaks to in their own way. Whoever else there is speaks OpenAI's.
_OWN_DIALECT = ("groq", "openai", "anthropic")


@dataclass(frozen=True)
class Provider:
    """Who offers models. Without `api_base` it is asked where LiteLLM knows it to be."""

    name: str
    api_base: str | None = None
    api_key: SecretStr | None = field(default=None, repr=False)
    needs_key: bool = True

    def wire_model(self, model: str) -> str:
        """A model of ours (`mistral/small`) as LiteLLM is told it (`openai/small`)."""
        if self.name in _OWN_DIALECT:
            return model
        return f"openai/{model.partition('/')[2]}"


def provider_of(model: str) -> str:
    """The name of who offers a model: what stands before the first slash."""
    return model.partition("/")[0]


def list_providers(settings: Settings) -> dict[str, Provider]:
    """Every provider that the deployment knows, by name."""
    llm = settings.llm
    built_in = {
        "groq": Provider("groq", llm.groq_api_base, settings.groq_api_key),
        "openai": Provider("openai", llm.openai_api_base, settings.openai_api_key),
        "anthropic": Provider("anthropic", llm.anthropic_api_base, settings.anthropic_api_key),
        "gemini": Provider("gemini", llm.gemini_api_base, settings.gemini_api_key),
        "ollama": Provider("ollama", llm.ollama_api_base, needs_key=False),
    }
    more = {
        other: Provider(other, given.api_base, given.api_key, needs_key=False)
        for other, given in llm.providers.items()
    }
    return {**built_in, **more}
