"""Which resource a URI names.

`uri_templates` expand by `uri_expressions` and match by `uri_matching`, and
`uri_normal_form` is how they are compared; `identity` is which URIs are of one
resource. `screening` finds values that are dangerous in a path.
"""
