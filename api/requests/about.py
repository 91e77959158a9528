"""What may be said of a job or a comparison after it was asked for."""

from pydantic import ConfigDict, Field

from api.requests.body import Body
from api.requests.workload import Name, Tags
from store.about import About


class AboutRequest(Body):
    """What is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "nightly"}, {"name": None, "tags": ["ci"]}]}
    )

    name: Name = Field(default=None, description="null: no name")
    tags: Tags = Field(default=[], description="all of them; []: none")

    def changes(self) -> About:
        """What was said."""
        changes: About = {}
        if "name" in self.model_fields_set:
            changes["name"] = self.name
        if "tags" in self.model_fields_set:
            changes["tags"] = self.tags
        return changes
