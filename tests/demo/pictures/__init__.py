"""The pictures of the demo that the docs show: `make pictures`.

`studio` has the site, its browser and the camera; `pages`, `programs`, `console` and
`admin` say what is on the pictures. `__main__` has them taken.
"""
