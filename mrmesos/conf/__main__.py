"""`python -m mrmesos.conf > docs/settings.md`."""

from mrmesos.conf import settings_page

print(settings_page(), end="")
