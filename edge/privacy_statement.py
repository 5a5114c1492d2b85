"""The privacy statement of a device: what it sees, keeps and sends, made from its config.

The `privacy` topic, the page `/privacy`, the sign and `privacy-check` are all of this. Pure.
"""

from dataclasses import dataclass
from typing import Any

from edge.config import Config
from edge.messages import RECORD_RETENTION_DAYS
from edge.privacy_details import PrivacyDetails
from edge.privacy_page import page as page_of
from edge.privacy_page import sign
from edge.privacy_promises import PROMISES, Lang
from edge.privacy_text import Paragraph, bullets, plain, title
from edge.readings import SUPPRESSED_UNDER

_KINDS = ("plain", "queue", "activity")


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said about one device. Make it with `statement`."""

    device: str
    site: str
    details: PrivacyDetails
    interval_min: int
    plaintext: bool

    def fields(self) -> dict[str, Any]:
        """Return what the `privacy` topic carries beside its promises."""
        return self.details.fields()

    def text(self, lang: Lang) -> str:
        """Return it as plain text, for a terminal."""
        return plain(self._paragraphs(lang), title(lang))

    def html(self, lang: Lang) -> str:
        """Return it as one HTML document without any other resource."""
        return page_of(self._paragraphs(lang), title(lang), lang)

    def sign(self) -> str:
        """Return the notice for the door: one A4 page of HTML, Chinese with small English."""
        return sign(self.site or self.device, self.details, self.interval_min)

    def _paragraphs(self, lang: Lang) -> list[Paragraph]:
        lab = self.details.mode == "lab"  # nobody had to confirm anything
        told = [p for p in PROMISES if p.public and not (lab and p.id == "answered-for")]
        promised = [each.said[lang] for each in told]
        return bullets(
            lang,
            place=self.site or self.device,
            details=self.details,
            interval_min=self.interval_min,
            plaintext=self.plaintext,
            promised=promised,
        )


def statement(config: Config) -> Statement:
    """Return the statement of a device that runs with this config."""
    privacy = config.privacy
    kinds = [str(zone.kind) for zone in config.zones]
    page = config.setup_page
    details = PrivacyDetails(
        mode=privacy.mode,
        responsible=privacy.unit or None,
        purpose=privacy.purpose or None,
        contact=privacy.contact or None,
        lines=len(config.lines),
        zones=tuple((kind, kinds.count(kind)) for kind in _KINDS if kind in kinds),
        setup_page=page.network if page.enabled else "off",
        setup_still=page.enabled and page.still,
        retention_days=RECORD_RETENTION_DAYS,
        suppressed_under=SUPPRESSED_UNDER,
        updates_over_mqtt=config.updates.over_mqtt,
    )
    return Statement(
        device=config.device.id,
        site=config.device.name,
        details=details,
        interval_min=config.records.interval_min,
        plaintext=config.mqtt.tls is None,
    )
