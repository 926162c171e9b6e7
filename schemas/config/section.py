"""What every mapping of the file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every mapping in the file: an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)
