"""The report as data for a program."""

from typing import Any

from carbide_infra.report import words
from carbide_infra.report.changes import ImageChange, Report

SCHEMA_VERSION = 2
"""Grows when a field goes or changes its meaning; a new field alone is not a new version."""


def as_data(report: Report) -> dict[str, Any]:
    """Everything that the report knows, without limits."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "project": report.project,
        "stack": report.stack,
        "verdict": words.verdict(report, words.PLAIN),
        "imagesChange": report.images_change,
        "revision": {"before": report.revision_before, "after": report.revision_after},
        "images": {image.name: _image(image) for image in report.images},
        "warnings": [{"kind": one.kind, "text": words.warning(one, words.PLAIN)} for one in report.warnings],
        "errors": list(report.errors),
    }


def _image(image: ImageChange) -> dict[str, Any]:
    return {
        "action": image.action.value,
        "restart": image.restart.name.lower(),
        "reasons": [
            {"kind": item.kind, "text": words.subject(item, words.PLAIN), "before": item.before, "after": item.after}
            for item in image.reasons
        ],
        "files": [{"path": file.path, "change": file.kind, "sizeChange": file.size_change} for file in image.files],
        "inputSizeChange": image.size_change,
        "tags": [{"kind": move.kind, "before": move.before, "after": move.after} for move in image.tags],
    }
