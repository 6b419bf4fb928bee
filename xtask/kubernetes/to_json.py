"""YAML documents from standard input as one JSON list. A key that stands twice in a map is an error, as for the API server."""

import json
import sys

import yaml


class Strict(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice in a map", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


documents = [document for document in yaml.load_all(sys.stdin, Loader=Strict) if document]
json.dump(documents, sys.stdout)
