"""Names for ports of which nobody says any: those of well-known ones, else by number."""

from collections.abc import Iterable

_PORTS = {80: "http", 443: "https", 8443: "https", 50051: "grpc", 2112: "metrics", 9100: "metrics", 6060: "pprof"}
_WEB = range(8000, 8500)


def port_names(numbers: Iterable[int]) -> dict[str, int]:
    """Each port by a name of its own."""
    named: dict[str, int] = {}
    for number in numbers:
        usual = _PORTS.get(number) or ("http" if number in _WEB else "")
        named[usual if usual and usual not in named else f"port-{number}"] = number
    return named
