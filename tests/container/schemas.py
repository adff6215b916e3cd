#!/usr/bin/env python3
"""Kubernetes' JSON schemas, as kubeconform reads them, out of the package kubernetes-validate.

usage: schemas.py VERSION FOLDER

The package's refer to each other by addresses on kubernetes.io; these by their files' names, so that nothing is fetched.
"""
import json
import sys
from pathlib import Path

import kubernetes_validate

version, folder = sys.argv[1], Path(sys.argv[2])
source = Path(kubernetes_validate.__file__).parent / f"kubernetes-json-schema/v{version}-local-strict"
folder.mkdir(parents=True, exist_ok=True)
for path in source.glob("*.json"):
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema.pop("$id", None)
    text = json.dumps(schema).replace("/api/_definitions.json#", "_definitions.json#")
    (folder / path.name).write_text(text, encoding="utf-8")
