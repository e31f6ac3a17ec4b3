"""The service: pictures in over HTTP, verdicts out, and a web page; needs the extra `serve`, never torch."""
