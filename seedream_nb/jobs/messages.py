"""Messages about a request that was stopped, or is no longer waited for, and what that means for the bill."""

from __future__ import annotations

UNSENT = "Not done within {seconds:g} s: still {phase}, not sent yet. It goes on, and will be sent."
NEVER_SENT = "Not sent within {seconds:g} s: still {still}. It was withdrawn: nothing was sent, nothing was billed."
LATER = "Run it again later."
MORE_PLACES = "Run it again later, or allow more requests at once: %seedream config concurrency={places}"
ONCE_THERE = "Run it again later: when the other request has its pictures, you get those, and nothing is sent."
WITHDRAWN = "Stopped while {phase}: the request was withdrawn before it was sent. Nothing was billed."
REFUSED = "Stopped while waiting to send it again: the service had refused it, so nothing was billed."
APPEARS_BELOW = "The work goes on after this: what comes of it is shown below this cell and kept in the history."
IN_THE_HISTORY = "The work goes on: its pictures will be in the history (sd.history)."
GOING_ON = "Stopped while {phase}: the request was sent and can't be taken back, so it may be billed."
FETCHING = "Stopped while downloading: the service has answered, so the pictures are paid for; their links are kept."
STILL_FETCHING = "Not done within {seconds:g} s: the pictures are paid for, and are still being downloaded."
TOO_LATE = "No answer within {seconds:g} s. The request was sent and may be billed."
BUSY = "Stopped while {phase}, but it could not be withdrawn at once, so it may be sent, and billed."
LOST = "The work was ended from outside while {phase}. The request was sent and may be billed."
LOST_UNSENT = "The work was ended from outside while {phase}. It was not sent, so nothing was billed. Run it again."
IN_THE_SANDBOX = {
    GOING_ON: "Stopped while {phase}: the request was sent and can't be taken back. The sandbox bills nothing.",
    FETCHING: "Stopped while downloading: the sandbox has answered; the links are kept. It bills nothing.",
    STILL_FETCHING: "Not done within {seconds:g} s: the sandbox has answered, and its pictures are being downloaded.",
    TOO_LATE: "No answer within {seconds:g} s. The request was sent; the sandbox bills nothing.",
    BUSY: "Stopped while {phase}, but it could not be withdrawn at once, so it may be sent. The sandbox bills nothing.",
    LOST: "The work was ended from outside while {phase}. The request was sent; the sandbox bills nothing.",
}
"""What replaces these messages in the sandbox."""
FORKED = "This process was forked from the one that runs this job; the job goes on there."
OWN_THREAD = "This was called on the thread that runs the requests, perhaps by a finalizer: it would wait for itself."
SEE_HISTORY = "See: %seedream history"
RECOVER = "Pictures that have links can still be fetched: %seedream recover"
FROM_HISTORY = "From the history: this exact request was made before. Nothing was sent, nothing was charged."
