"""The configuration: every option, where it comes from, and what is wrong with it."""

from genretagd.config.convert import NotConvertible, convert, did_you_mean, option, read_options
from genretagd.config.loading import load_config, load_folder_config, unfit_name
from genretagd.config.schema import ActionConfig, Config, RootConfig

__all__ = [
    "ActionConfig",
    "Config",
    "NotConvertible",
    "RootConfig",
    "convert",
    "did_you_mean",
    "load_config",
    "load_folder_config",
    "option",
    "read_options",
    "unfit_name",
]
