"""The hooks: where a plugin is asked what it contributes, and where it hears what happens.

Each docstring gives the five facts: when it is called, how often, inside a transaction or not, what to return, and what
happens to an exception. The hook reference in docs/ is made from these docstrings.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pluggy

if TYPE_CHECKING:
    import click

    from wuye.context import Context
    from wuye.demo.stage import Stage
    from wuye.jobs.declaration import Job
    from wuye.notifications.declaration import NotificationKind
    from wuye.people.models import Person
    from wuye.records.models import Record
    from wuye.referrals.declaration import ReferralTarget
    from wuye.referrals.models import Referral
    from wuye.resources.declaration import Resource
    from wuye.settings.declaration import Settings
    from wuye.slots import Card, Panel

hookspec = pluggy.HookspecMarker("wuye")
hookimpl = pluggy.HookimplMarker("wuye")

Mode = Literal["declare", "collect", "discreet", "write", "must"]
F = TypeVar("F", bound=Callable[..., Any])
MODES: dict[str, Mode] = {}


def mode(name: Mode) -> Callable[[F], F]:
    """Say how the bus treats an implementation that raises.

    `declare`: at start, the plugin is not loaded. `collect`: logged, the others go on. `discreet`: the same, but the log
    gets the kind of the error alone, since its message may repeat what nobody is to know. `write`: runs in a savepoint that
    is rolled back, logged, the others go on. `must`: the whole step fails and nothing is written.
    Under WUYE_STRICT=1 and in tests any of them fails the step with its own exception.
    """

    def mark(function: F) -> F:
        MODES[function.__name__] = name
        return hookspec(function, firstresult=function.__name__ in ("choose_assignee", "send_code"))

    return mark


class Declarations:
    """What a plugin contributes; asked once, when the process starts."""

    @mode("declare")
    def register_resources(self) -> Iterable["Resource"]:
        """Contribute resources: models with their schema, flow, list, search, import and export.

        When: at start, before the first request. How often: once a process. Transaction: none. Return: an iterable of
        `Resource`. Exception: the plugin is not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_referral_targets(self) -> Iterable["ReferralTarget"]:
        """Contribute what this department makes of work that another one hands over.

        When: at start. How often: once a process. Transaction: none. Return: an iterable of `ReferralTarget`, usually
        one. Exception: the plugin is not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_jobs(self) -> Iterable["Job"]:
        """Contribute background jobs and what is done periodically.

        When: at start. How often: once a process. Transaction: none. Return: an iterable of `Job`. Exception: the
        plugin is not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_notifications(self) -> Iterable["NotificationKind"]:
        """Contribute kinds of notifications: a name for `ctx.notify`, and the text that people read.

        When: at start. How often: once a process. Transaction: none. Return: an iterable of `NotificationKind`.
        Exception: the plugin is not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_settings(self) -> Iterable["Settings"]:
        """Contribute what an estate can decide about this plugin: settings with their help, checks and defaults.

        When: at start. How often: once a process. Transaction: none. Return: an iterable of `Settings`, one at most.
        Exception: the plugin is not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_cards(self) -> Iterable["Card"]:
        """Contribute cards to the overview and to everybody's desk.

        When: at start. How often: once a process. Transaction: none. Return: an iterable of `Card`; what a card shows is
        asked for with each page, in a savepoint, and costs its own box only if it raises. Exception: the plugin is not
        loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_panels(self) -> Iterable["Panel"]:
        """Contribute panels to the detail pages of things, one's own or others'.

        When: at start. How often: once a process. Transaction: none. Return: an iterable of `Panel`; what a panel shows
        is asked for with each page, in a savepoint, and costs its own box only if it raises. Exception: the plugin is
        not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError

    @mode("declare")
    def register_commands(self) -> Iterable["click.Command"]:
        """Contribute commands, found under `wuye <plugin> <command>`.

        When: when the command line starts. How often: once a process. Transaction: none. Return: an iterable of click
        commands. Exception: the plugin is not loaded; fatal under WUYE_STRICT=1.
        """
        raise NotImplementedError


class Events:
    """What a plugin hears while it is enabled for the estate in which something happens."""

    @mode("must")
    def before_change(self, ctx: "Context", record: "Record", event: str, data: Mapping[str, Any]) -> None:
        """Look at a change before it is made, and veto it by raising a `Problem`.

        When: before a record is created (`event` is `created`), edited (`edited`), takes a transition (its name) or is put
        back to before one (`taken_back`); `data` is the validated input, or what is put back. How often: once a change. Transaction: inside the one of the step. Return:
        nothing. Exception: the step fails; a `Problem` is shown to the caller, anything else becomes a conflict that
        names the plugin; nothing is written.
        """

    @mode("write")
    def record_changed(self, ctx: "Context", record: "Record", event: str) -> None:
        """React to a record that was created, edited, took a transition, or was put back to before one (`taken_back`).

        When: after the step's rows were written (a new record has its number), before the commit; what you change is
        written with the step, and heard in turn. How often: once a change. Transaction: inside the one of the step, in a
        savepoint of its own. Return: nothing. Exception: the savepoint is rolled back and the error logged with the
        plugin's name; the step goes on. Under WUYE_STRICT=1 and in tests the step fails.
        """

    @mode("must")
    def referral_accepted(self, ctx: "Context", referral: "Referral", origin: "Record") -> None:
        """Take the origin's next step when a department took the work over.

        When: after the target's record was made. How often: once a take-over. Transaction: inside the one of the step.
        Return: nothing; act only if `origin` is yours. Exception: the take-over fails, nothing is written.
        """

    @mode("must")
    def referral_answered(self, ctx: "Context", referral: "Referral", origin: "Record") -> None:
        """Take the origin's next step when the work that it handed over is done.

        When: when the target's record was finished, or the office did it by hand; `referral.outcome` says what was
        done. How often: once for each completion (again after a rework). Transaction: inside the one of the step.
        Return: nothing; act only if `origin` is yours. Exception: the completion fails, nothing is written.
        """

    @mode("must")
    def referral_returned(self, ctx: "Context", referral: "Referral", target: "Record", reason: str) -> None:
        """Work again on what the origin did not accept.

        When: when the requester refuses the result or reopens the request. How often: once a refusal. Transaction:
        inside the one of the step. Return: nothing; act only if `target` is yours. Exception: the refusal fails,
        nothing is written.
        """

    @mode("must")
    def referral_closed(self, ctx: "Context", referral: "Referral", target: "Record") -> None:
        """Learn that the origin accepted the result.

        When: when the requester accepts. How often: once an acceptance. Transaction: inside the one of the step.
        Return: nothing; act only if `target` is yours. Exception: the acceptance fails, nothing is written.
        """

    @mode("must")
    def referral_withdrawn(self, ctx: "Context", referral: "Referral", target: "Record | None") -> None:
        """Stop work that the origin took back.

        When: when the origin withdraws what it handed over. How often: at most once a referral. Transaction: inside the
        one of the step. Return: nothing; act only if `target` is yours. Exception: the withdrawal fails.
        """

    @mode("collect")
    def choose_assignee(self, ctx: "Context", record: "Record", department: str) -> "Person | None":
        """Choose who shall do a piece of work.

        When: when a department dispatches without naming anybody (an emergency). How often: once a dispatch; the first
        plugin that returns somebody decides. Transaction: inside the one of the step. Return: a person or None.
        Exception: logged; the next one is asked, at last core chooses the least busy person on duty.
        """

    @mode("discreet")
    def send_code(self, ctx: "Context", phone: str, text: str) -> "bool | None":
        """Send a short text, which holds a one-time code, to a telephone: by SMS or a messenger.

        When: after somebody asked for a code to sign in with a number that belongs to a person of the estate; `phone`
        is the number as digits, `text` is written in the language of who asked. Where no enabled plugin implements this,
        signing in by telephone is not offered. How often: once a request that is within the limits; the first plugin
        that returns True decides. Transaction: one of its own, after the one of the request, on another thread: nobody
        waits for it, so take a few seconds at most. Return: True if it was sent or queued, None otherwise. Exception:
        the next one is asked; the log gets the kind of the error and no message. Never log or store `text`.
        """

    @mode("must")
    def load_demo(self, ctx: "Context", stage: "Stage") -> None:
        """Live through one day of the demo estate's month: `stage` has the day, places, people, and whom to act as.

        When: while `wuye demo` prepares an estate. How often: once for each day, oldest first. Transaction: inside the
        one of the preparation. Return: nothing. Exception: the preparation fails and leaves no estate.
        """

    @mode("must")
    def on_enable(self, ctx: "Context") -> None:
        """Prepare an estate for this plugin: default data, settings.

        When: when an estate enables this plugin, for the plugin itself alone. How often: each time; what exists must be
        left as it is. Transaction: inside the one of the enabling. Return: nothing. Exception: it stays disabled.
        """

    @mode("must")
    def on_disable(self, ctx: "Context") -> None:
        """Bring things to rest before this plugin falls silent in an estate; the data stays.

        When: when an estate disables this plugin, for the plugin itself alone. How often: each time. Transaction:
        inside the one of the disabling. Return: nothing. Exception: it stays enabled.
        """
