"""Records of the scheduler in `sched`: programs as rows of steps, threads and CPUs, and what changes during a run.

A step is a row: what it does (`op`), how long it takes (a fixed time and an exponential one of a given mean), where it
leads (`arg`), and whether its time is billed. The first rows are the scheduler's own. The *receiver* is the thread for
which a message is meant. It runs in an inner mode (a guest, say), which its CPU must leave before it does anything
else, and to which it comes back through the rows LOOP to ENTER.
"""

import numpy as np

# what a step does; SPEND, HOLD and NAP take time
SPEND, HOLD, NAP = 0, 1, 2  # time as in the row; the run's own hold; asleep for that time, then to row arg
RAISE, WAKE, SEND = 3, 4, 5  # an interrupt with handler arg on a CPU; thread arg; a message with program arg
POST, NOTIFY, ENTER, DONE = 6, 7, 8, 9  # note for the receiver; tell it inside; it goes inside; it has got it
IF_ASLEEP, IF_INSIDE, IF_OFF = 10, 11, 12  # to row arg if the receiver is asleep, inside, not on its CPU
END = 13  # of a handler or a message; of a thread: it sleeps

# rows that every table has
SWITCH, LEAVE, ROUSE, STOP, HELD = 0, 1, 2, 3, 4
LOOP, SYNC, ENTRY, SPIN, NOTICE, DELIVER = 5, 6, 7, 8, 9, 10
OWN_ROWS, ROWS = 12, 64

NEVER, ALWAYS, OWED = 0, 1, 2  # billed; OWED: while the message is why the receiver is outside

RECEIVER, LOAD, SERVER, WORKER, BURST = 0, 1, 2, 3, 4  # threads
THREADS = 5
BY_HANDLER, BY_MESSAGE, BY_STOP = 5, 6, 7  # who acts where no thread does
RECEIVING_CPU, OTHER_CPU = 0, 1  # the receiver's, and one that is always awake with things of its own
CPUS = 2

IDLE, THREAD, HANDLER, SWITCHING, LEAVING, ROUSING, HOLDING = 0, 1, 2, 3, 4, 5, 6  # activities of a CPU

LOG_ROWS = 32  # of one event at most
LOG_COLUMNS = 5  # begin, end, cpu (negative: none), who, row

_INT, _TIME = np.int64, np.float64

MACHINE = np.dtype(  # what does not change during a run
    [
        ("op", _INT, (ROWS,)),
        ("arg", _INT, (ROWS,)),
        ("on_cpu", _INT, (ROWS,)),  # where RAISE raises
        ("fixed_ns", _TIME, (ROWS,)),
        ("mean_ns", _TIME, (ROWS,)),  # of the exponential part
        ("billed", _INT, (ROWS,)),
        ("cpu", _INT, (THREADS,)),
        ("priority", _INT, (THREADS,)),  # of equal ones the first to be ready goes first
        ("first", _INT, (THREADS,)),  # first row of its program
        ("message", _INT),  # first row of the message's program
        (
            "held_frac",
            _TIME,
        ),  # how often a switch to the receiver waits for a section that cannot be preempted
        ("held_ns", _TIME),  # length of that section
        ("stop_every_ns", _TIME),  # mean time between stops of everything; infinite: none
        ("stop_ns", _TIME),  # length of one
    ]
)

START = np.dtype(  # how a run begins
    [
        ("asleep", _INT, (THREADS,)),
        ("left_ns", _TIME, (THREADS,)),  # of the first step; negative: all of it
        ("alarm_ns", _TIME, (THREADS,)),  # when a thread wakes by itself; infinite: never
        ("hold_ns", _TIME),  # how long HOLD takes
    ]
)

STATE = np.dtype(  # what changes during a run
    [
        ("pc", _INT, (THREADS,)),  # row of a thread's step
        ("left", _TIME, (THREADS,)),  # time left of that step; negative: it has not begun
        ("asleep", _INT, (THREADS,)),
        ("stamp", _INT, (THREADS,)),  # when it became ready, in order
        ("called", _INT, (THREADS,)),  # the message made it ready, and it has not run yet
        ("alarm", _TIME, (THREADS,)),
        ("activity", _INT, (CPUS,)),
        ("step", _INT, (CPUS,)),  # row of what a CPU does
        ("begun", _TIME, (CPUS,)),  # when that began or went on
        ("end", _TIME, (CPUS,)),  # when that ends
        ("rest", _TIME, (CPUS,)),  # length of the switch after a hold
        ("current", _INT, (CPUS,)),  # thread; negative: none
        ("target", _INT, (CPUS,)),  # thread that it switches to; negative: things of its own
        ("raised", _INT, (CPUS,)),  # first row of a handler that waits to be run; negative: none
        ("back", _INT, (CPUS,)),  # a thread that preempted for the message has just gone to sleep
        ("displaced", _INT, (CPUS,)),  # things of its own were put aside for the message
        ("now", _TIME),
        ("wire", _INT),  # row of the message's step
        ("wire_begun", _TIME),
        ("wire_end", _TIME),
        ("next_stop", _TIME),  # when it comes
        ("stopped_until", _TIME),  # and how long it may have to wait
        ("pending", _INT),  # a note waits for the receiver
        ("inside", _INT),  # the receiver is in the inner mode
        ("due", _INT),  # it is outside because of the message
        ("inner", _INT),  # row of the inner step that it left; negative: none
        ("inner_left", _TIME),  # time left of that step
        ("starving", _INT),  # a thread of the message waits behind the receiver, which never sleeps
        ("done_at", _TIME),  # when the receiver had the message
        ("exits", _INT),
        ("switches", _INT),
        ("cost", _TIME),
        ("stamps", _INT),
        ("logging", _INT),
        ("logged", _INT),
        ("log", _TIME, (LOG_ROWS, LOG_COLUMNS)),
    ]
)


def blank(kind: np.dtype) -> np.record:
    """A record of zeros, changed in place by its fields."""
    return np.zeros(1, dtype=kind).view(np.recarray)[0]
