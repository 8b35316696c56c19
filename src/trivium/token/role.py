"""The roles of a conversation: a closed set, and the names that people give them.

A chat template writes a role into its own text, where special tokens are recognised. So a role never comes from a row
or a request as it stands: it is looked up here, or refused.
"""

from trivium.base.errors import DataError

ROLES = ("system", "user", "assistant", "tool")
NAMES = {
    **dict.fromkeys(("user", "human", "customer", "client", "prompter"), "user"),
    **dict.fromkeys(("assistant", "bot", "model", "gpt", "chatgpt", "ai", "agent"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "tool_result", "ipython"), "tool"),
}
"""The role of each name."""


def role_of(name: str) -> str | None:
    """Return the role of a name, without regard to case and to spaces around it; None for an unknown name."""
    return NAMES.get(name.strip().lower())


def check_role(role: str) -> None:
    """Raise a DataError for a text that is none of `ROLES`, letter by letter."""
    if role not in ROLES:
        raise DataError(f"unknown role {role!r:.60}: expected one of {', '.join(ROLES)}")
