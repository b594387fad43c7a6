"""Which resource a URI names.

`uri_templates` match and expand by `uri_expressions`, and `uri_normal_form` is how they
are compared; `identity` is which URIs are of one resource.
"""
