"""YAML in which a key may stand only once: YAML itself lets the last one win, silently.

Rules of this file: safe loaders only. Loaded only when a configuration or a policy is read.
"""

from typing import Any

import yaml

_Fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Once:
    """Refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        loader: Any = self
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = loader.construct_object(key_node, deep=True)
            if isinstance(key, list | dict) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key!r} stands there twice" if key in seen else "a key must be a word",
                    key_node.start_mark,
                )
            seen.add(key)
        made: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return made


class UniqueKeys(_Once, yaml.SafeLoader):
    """SafeLoader that refuses a key given twice; its messages are the same everywhere."""


class FastUniqueKeys(_Once, _Fast):  # type: ignore[misc]
    """The same, by the C parser where there is one."""
