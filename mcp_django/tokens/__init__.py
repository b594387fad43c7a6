"""Optional Django app: bearer tokens by which programs act as users of the site.

List it as `mcp_django.tokens`. May import Django, `signals` and what is below;
`mcp_django.auth.tokens` reads its model. `scopes` are what tokens may allow, and
`choosing` the field by which a form asks for it. Start
reading at `models`.
"""
