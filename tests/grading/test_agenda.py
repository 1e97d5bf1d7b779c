"""What an exercise plans happens when time passes, and not when it begins again."""

from maillab.grading.agenda import agenda_of, calm, envelope, hand_over, new_agenda
from maillab.grading.letters import letter, reports, subjects
from tests.worlds import plain_world

ALICE, BOB = "alice@alpha.example", "bob@beta.example"
MX = "mx.beta.example"


def test_letters_and_power_cuts_come_at_their_hour():
    with plain_world() as world:
        agenda = new_agenda(world, "9.1")
        agenda.letter(1, "alice", BOB, "Early")
        agenda.letter(5, "alice", BOB, "Late")
        agenda.at(2, world.power_off, MX)
        world.advance("4 h")
        assert subjects(world.user("bob").inbox) == ["Early"]
        assert not world.host(MX).up
        world.advance("2 h")
        assert agenda_of(world, "9.1").hours == 6
        assert len(agenda.events("mail.alpha.example", "deferred")) > 0
        calm(world)
        assert world.host(MX).up
        assert len(world.server(ALICE.split("@")[1]).queue) == 0


def test_what_was_planned_before_does_not_happen():
    with plain_world() as world:
        old = new_agenda(world, "9.1")
        old.letter(1, "alice", BOB, "Old")
        old.fault("RCPT", host=MX, reply="550 5.7.1 No")
        new_agenda(world, "9.2").letter(1, "alice", BOB, "New")
        world.advance("2 h")
        assert subjects(world.user("bob").inbox) == ["New"]
        assert reports(world.user("alice").inbox) == []


def test_a_machine_hands_over_its_mail_itself():
    with plain_world() as world:
        content = letter("scan@pc.example", BOB, "A page", "(a page)")
        mail = envelope("", BOB, "ghost@beta.example")
        place = world.host("bob-pc")
        said = world.run(hand_over(place, MX, mail, content), on=place)
        world.settle()
        assert [row[:9] for row in said] == ["250 2.1.5", "550 5.1.1"]
        assert subjects(world.user("bob").inbox) == ["A page"]
        world.power_off(MX)
        assert world.run(hand_over(place, MX, mail, content), on=place) == []
