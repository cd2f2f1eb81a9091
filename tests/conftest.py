"""What all tests share: hypothesis measures no time, as machines are busy with other things."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
