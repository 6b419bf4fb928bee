# A site with a hole: what is asked for is rendered as an expression, as a template engine would do it.
import os
from urllib.parse import parse_qs


def application(environ, start_response):
    query = parse_qs(environ.get("QUERY_STRING", ""))
    text = "welcome"
    if "name" in query:
        text = str(eval(query["name"][0], {"os": os}))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
