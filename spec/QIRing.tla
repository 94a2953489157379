------------------------------- MODULE QIRing -------------------------------
(***************************************************************************)
(* The descriptor ring of Intel VT-d queued invalidation as Linux uses it: *)
(* the twin of src/impl_qi.rs, action by action and variable by variable.  *)
(*                                                                         *)
(* An action is at most one access that hardware can also make (a status   *)
(* slot, a descriptor, a register) or one operation on the lock.  Private  *)
(* fields are read and written in the action beside which they stand,      *)
(* which is sound only while the lock is held: LockHeldOnAccess.           *)
(*                                                                         *)
(* Generations are rules, given as constants: the constant XyzRule is the  *)
(* field xyz of `Rules' in src/impl_qi/rules.rs, with the same values.     *)
(* Values marked seeded are no kernel's: they are faults put in on         *)
(* purpose, each of which a named property must kill.                      *)
(*                                                                         *)
(* Faults are constants too: which may be injected, how many, and what the *)
(* unit makes of them.  Where there are none, the fault check of the poll  *)
(* loop changes nothing and is left out, unless FaultCheck asks for it;    *)
(* then everything that only faults change stays what it is in Init.       *)
(*                                                                         *)
(* Sources: qi_submit_sync, qi_check_fault and reclaim_free_desc in        *)
(* drivers/iommu/intel/dmar.c; Intel VT-d specification, revision 4.1,     *)
(* sections 6.5.2, 6.5.2.8, 6.5.2.10, 6.5.2.11 and 11.4.9.9.               *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
    Submitters,     \* The submitters, 1..n: `T1' onwards.
    Counts,         \* The numbers of IDs that a call may bring; 0 is a lone WD.
    Length,         \* QI_LENGTH, the number of slots.
    Lock,           \* "strong-fair": no queue, taking the lock is strongly fair;
                    \* "fifo": a queue of waiters, taking the lock is weakly fair.
    Hardware,       \* "in-order": only the oldest fetched descriptor acts;
                    \* "pipelined": any fetched ID may execute.
    Depth,          \* How many descriptors hardware fetches ahead.
    Handout         \* "as-driver", or "not-while-owner-waits": no post may hand out
                    \* a slot of a batch whose owner still waits.

(***************************************************************************)
(* What can go wrong, and where the fault check is modelled.               *)
(***************************************************************************)
CONSTANTS
    FaultClasses,   \* What may be injected, a set of: "invalid-id", a call brings an ID
                    \* that the unit refuses; "lost-answer", a device that is present does
                    \* not answer an ID; "ice", a completion that nobody waits for;
                    \* "device-gone", a device goes for good; "invalid-wd", a call's WD is
                    \* one that the unit refuses.
    FaultBound,     \* How many faults may be injected, of all classes together.
    Devices,        \* How many devices IDs may address: 1..Devices.
    Itesid,         \* "named": ITESID names a device that timed out; "zero": old hardware.
    AfterIte,       \* What becomes of fetched work when ITE is raised: "drop", all of it
                    \* is discarded; "ids-run", WDs are, other IDs still execute;
                    \* "wds-run", as that, but a WD may still write its status.
    FaultCheck      \* "where-faults-occur", or "always".

CONSTANTS
    RoomRule,       \* "count-plus2"; seeded: "count-plus1".
    RoomWaitRule,   \* "unlock"; seeded: "keep-lock".
    LayoutRule,     \* "wd-last"; seeded: "wd-first".
    IdStatusRule,   \* "in-use"; seeded: "untouched".
    PublishRule,    \* "status-wd-iqt", G1: "statuses-first";
                    \* seeded: "status-iqt-wd", "wd-iqt-status".
    PollRule,       \* "done"; seeded: "first-slot-done".
    MarkRule,       \* G3: "ids-done", G4: "all-free"; seeded: "ids-free", "nothing".
    ReclaimRule,    \* G3: "while-done", G4: "while-free-to-head";
                    \* seeded: "while-free", "to-head", "never".
    CleanUpRule     \* "locked"; seeded: "unlocked".

(***************************************************************************)
(* Rules about faults.  The second value of each but the first two is      *)
(* g5plus', which is no kernel's.                                          *)
(***************************************************************************)
CONSTANTS
    IteWalkRule,    \* Slots of the ITE walk, up to G4: "odd", G5: "every".
    TimeOutRule,    \* If ITESID names a device that is gone: "retry", "return".
    IteClearRule,   \* ITE is cleared "before-walk", "after-walk".
    StraddlerRule,  \* The batch that IQH stands in: "ignore", "write-abort".
    IqeAtRule,      \* The invalid descriptor is one's own if it is one's "first", "any".
    IqePatchRule,   \* What is written over it: "copy-wd", "null-wd".
    IqeReturnRule,  \* -EINVAL is returned "at-once", "when-done".
    PresenceRule    \* Whether devices are asked for: "unasked", "before-post".

ASSUME
    /\ IsFiniteSet(Submitters) /\ Submitters = 1 .. Cardinality(Submitters)
    /\ Cardinality(Submitters) \in 1 .. 8
    /\ Counts # {} /\ Counts \subseteq 0 .. Length - 2
    /\ Length \in 4 .. 256 /\ Length % 2 = 0
    /\ Lock \in {"strong-fair", "fifo"}
    /\ Hardware \in {"in-order", "pipelined"}
    /\ Depth \in 1 .. 4
    /\ Handout \in {"as-driver", "not-while-owner-waits"}

ASSUME
    /\ RoomRule \in {"count-plus2", "count-plus1"}
    /\ RoomWaitRule \in {"unlock", "keep-lock"}
    /\ LayoutRule \in {"wd-last", "wd-first"}
    /\ IdStatusRule \in {"in-use", "untouched"}
    /\ PublishRule \in {"status-wd-iqt", "status-iqt-wd", "wd-iqt-status", "statuses-first"}
    /\ PublishRule = "statuses-first" => Counts = {1}
    /\ PollRule \in {"done", "first-slot-done"}
    /\ MarkRule \in {"ids-done", "all-free", "ids-free", "nothing"}
    /\ ReclaimRule \in {"while-done", "while-free-to-head", "while-free", "to-head", "never"}
    /\ CleanUpRule \in {"locked", "unlocked"}
    /\ IteWalkRule \in {"odd", "every"}
    /\ TimeOutRule \in {"retry", "return"}
    /\ IteClearRule \in {"before-walk", "after-walk"}
    /\ StraddlerRule \in {"ignore", "write-abort"}
    /\ IqeAtRule \in {"first", "any"}
    /\ IqePatchRule \in {"copy-wd", "null-wd"}
    /\ IqeReturnRule \in {"at-once", "when-done"}
    /\ PresenceRule \in {"unasked", "before-post"}

\* Whether ITE can be raised.
TimesOut == FaultClasses \cap {"lost-answer", "device-gone"} # {}

\* Whether the accesses of the fault check are steps.
ChecksFaults == FaultClasses # {} \/ FaultCheck = "always"

ASSUME
    /\ FaultClasses \subseteq {"invalid-id", "lost-answer", "ice", "device-gone", "invalid-wd"}
    /\ FaultBound \in 0 .. 15
    /\ FaultBound = 0 <=> FaultClasses = {}
    /\ Devices \in 0 .. 2
    /\ TimesOut => Devices > 0
    /\ Itesid \in {"named", "zero"}
    /\ AfterIte \in {"drop", "ids-run", "wds-run"}
    /\ FaultCheck \in {"where-faults-occur", "always"}
    /\ ChecksFaults => Counts \subseteq 0 .. 16

VARIABLES
    free_head,      \* Next slot to hand out.
    free_tail,      \* Oldest slot that has not been reclaimed.
    free_cnt,       \* Number of free slots; stops counting at Length + 1.
    desc_status,    \* desc_status[s]: "QI_FREE", "QI_IN_USE", "QI_DONE" or "QI_ABORT".
    desc,           \* desc[s]: the descriptor in slot s.
    iqh,            \* The head register.
    iqt,            \* The tail register.
    lock,           \* Who holds q_lock, or Nobody.
    waiters,        \* The queue of the lock, first in line first; "fifo" only.
    pending,        \* The descriptors fetched and not completed, oldest first.
    pc,             \* pc[t]: what t will do next.
    count,          \* count[t]: number of IDs of t's batch.
    index,          \* index[t]: first slot of t's batch; 0 until it has one.
    at              \* at[t]: which own slot a repeated step is at.

(***************************************************************************)
(* What only faults change.                                                *)
(***************************************************************************)
VARIABLES
    fsts,           \* FSTS: the faults that are set, of "IQE", "ITE", "ICE".
    itesid,         \* The device that ITESID of IQER names, 0 if none.
    gone,           \* The devices that are gone.
    injected,       \* How many faults have been injected.
    request,        \* request[t]: what t's call asks for.
    outcome,        \* outcome[t]: how t's call will end, as far as is known.
    check           \* The local variables of the fault check of whoever is in it.

(***************************************************************************)
(* Ghosts: what the ring does not know and its properties need.  They are  *)
(* read by properties and by the refinement mapping only.                  *)
(***************************************************************************)
VARIABLES
    posted_by,      \* posted_by[s]: who wrote the descriptor, until it is fetched.
    done_by,        \* done_by[s]: for whose WD hardware wrote the QI_DONE in s.
    pending_by,     \* Whose the pending descriptors are.
    executed,       \* executed[t]: how many IDs of t's present call were executed.
    executed_ids,   \* executed_ids[t]: which of them, and
    executed_since_post, \* which as last posted;
                    \* where the fault check is modelled.
    reposting       \* reposting[t]: t began again and has not written IQT since.

ring == <<free_head, free_tail, free_cnt>>
unit == <<iqh, pending, pending_by>>
locals == <<pc, count, index, at>>
world == <<fsts, itesid, gone, injected>>
faulty == <<world, request, outcome, check>>
executions == <<executed, executed_ids, executed_since_post, reposting>>
vars == <<free_head, free_tail, free_cnt, desc_status, desc, iqh, iqt, lock, waiters, pending,
          pc, count, index, at, fsts, itesid, gone, injected, request, outcome, check,
          posted_by, done_by, pending_by, executed, executed_ids, executed_since_post, reposting>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Words                                                                   *)
(***************************************************************************)

Slots == 0 .. Length - 1

\* Whom an ID asks: the unit itself, a device by its number (VT-d 6.5.2.5), or
\* nobody, as the unit refuses it (VT-d 6.5.2.10).
Unit == 0
Invalid == -1
Asks == {Unit} \cup (1 .. Devices) \cup (IF "invalid-id" \in FaultClasses THEN {Invalid} ELSE {})

\* Number n tells the IDs of a batch apart, from 0, where the fault check is
\* modelled.  A WD writes data to desc_status[s] (VT-d 6.5.2.8).
Blank == [kind |-> "blank"]                     \* Type 0, invalid (VT-d 6.5.2).
Id(n, asks) == [kind |-> "id", number |-> n, asks |-> asks]
Wd(s, data) == [kind |-> "wd", target |-> s, data |-> data]
InvalidWd(s) == [kind |-> "invalid-wd", target |-> s]
Descriptors ==
    {Blank}
    \cup {Id(n, asks) : n \in 0 .. Length - 3, asks \in Asks}
    \cup {Wd(s, data) : s \in Slots, data \in {"QI_DONE", "QI_IN_USE", "QI_ABORT"}}
    \cup {InvalidWd(s) : s \in Slots}

\* The unit refuses it.
IsInvalid(d) == d.kind \in {"blank", "invalid-wd"} \/ (d.kind = "id" /\ d.asks = Invalid)

\* A WD that tells its owner something.
EndsBatch(d) == d.kind = "invalid-wd" \/ (d.kind = "wd" /\ d.data # "QI_IN_USE")

\* What a call asks for: whom its IDs ask, in order, and whether its WD is valid.
Plain == [ids |-> <<>>, wd |-> "valid"]
Requests(n) ==
    IF ChecksFaults
    THEN [ids : [1 .. n -> Asks],
          wd : {"valid"} \cup (IF "invalid-wd" \in FaultClasses THEN {"invalid"} ELSE {})]
    ELSE {Plain}

\* How many faults it brings.
Brings(r) == Cardinality({i \in DOMAIN r.ids : r.ids[i] = Invalid}) + (IF r.wd = "invalid" THEN 1 ELSE 0)

Outcomes == {"Success", "Again", "Invalid", "TimedOut"}     \* 0, -EAGAIN, -EINVAL, -ETIMEDOUT

\* FSTS as read, where the ITE walk is and where it ends, ITESID as read.
NoSlot == -1
NoCheck == [fault |-> {}, head |-> NoSlot, tail |-> NoSlot, itesid |-> 0]

Nobody == 0                                     \* Never submitted, fetched, overwritten.
Returned == -1                                  \* Left over from a call that has returned.
Owners == Submitters \cup {Nobody, Returned}

Statuses == {"QI_FREE", "QI_IN_USE", "QI_DONE", "QI_ABORT"}

Pcs == {"Idle", "Acquire", "NoRoom", "WriteId", "IdInUse", "WdInUse", "WriteWd", "WriteIqt", "Poll",
        "PollUnlock", "PollAcquire", "DropLock", "Mark", "Reclaim", "ReclaimFree", "Return", "GiveUp"}

FaultCheckPcs ==
    {"CheckAbort", "ReadFsts", "IqeIqh", "PatchDesc", "ClearIqe", "IteIqh", "IteIqt", "ReadIqer", "ClearIte",
     "Walk", "WalkAbort", "StraddlerIqh", "StraddlerLook", "StraddlerSeek", "StraddlerPatch", "RecheckAbort",
     "ClearIce"}

Plus(s, k) == (s + k) % Length
Before(s, k) == (s + Length - k) % Length
Distance(from, to) == (to - from) % Length
Within(s, from, to) == Distance(from, s) < Distance(from, to)       \* s in [from, to)

Size(t) == count[t] + 1
WaitIndex(t) == IF LayoutRule = "wd-last" THEN Plus(index[t], count[t]) ELSE index[t]
IdSlot(t) == Plus(index[t], at[t] + (IF LayoutRule = "wd-last" THEN 0 ELSE 1))
PolledSlot(t) == IF PollRule = "done" THEN WaitIndex(t) ELSE index[t]
Needed(t) == count[t] + (IF RoomRule = "count-plus2" THEN 2 ELSE 1)

\* IQT has been written for t's call and its completion has not been observed.
Waiting(t) ==
    \/ pc[t] \in {"Poll", "PollUnlock", "PollAcquire"} \cup FaultCheckPcs
    \/ pc[t] = "WdInUse" /\ PublishRule = "wd-iqt-status"
    \/ pc[t] = "WriteWd" /\ PublishRule = "status-iqt-wd"

\* t waits for free slots.
WantsRoom(t) == pc[t] \in {"Acquire", "NoRoom"}
WaitsWithRoom(t) == WantsRoom(t) /\ free_cnt >= Needed(t)

\* t has been given slots.
HasIndex(t) == pc[t] \notin {"Idle", "Acquire", "NoRoom", "GiveUp"}

AtRest ==
    /\ iqh = iqt
    /\ pending = <<>>
    /\ \A t \in Submitters : pc[t] = "Idle"

TypeOK ==
    /\ free_head \in Slots /\ free_tail \in Slots /\ free_cnt \in 0 .. Length + 1
    /\ desc_status \in [Slots -> Statuses]
    /\ desc \in [Slots -> Descriptors]
    /\ iqh \in Slots /\ iqt \in Slots
    /\ lock \in Submitters \cup {Nobody}
    /\ \A i \in DOMAIN waiters : waiters[i] \in Submitters
    /\ Cardinality({waiters[i] : i \in DOMAIN waiters}) = Len(waiters)
    /\ Len(pending) <= Depth
    /\ \A i \in DOMAIN pending : pending[i] \in Descriptors /\ ~IsInvalid(pending[i])
    /\ pc \in [Submitters -> Pcs \cup FaultCheckPcs]
    /\ count \in [Submitters -> Counts \cup {0}]
    /\ index \in [Submitters -> Slots]
    /\ \A t \in Submitters : at[t] \in 0 .. Size(t)
    /\ fsts \subseteq {"IQE", "ITE", "ICE"}
    /\ itesid \in 0 .. Devices
    /\ gone \subseteq 1 .. Devices
    /\ injected \in 0 .. FaultBound
    /\ \A t \in Submitters : request[t] \in Requests(count[t]) \cup {Plain}
    /\ outcome \in [Submitters -> Outcomes]
    /\ check.fault \subseteq {"IQE", "ITE", "ICE"} /\ check.itesid \in 0 .. Devices
    /\ {check.head, check.tail} \subseteq Slots \cup {NoSlot}
    /\ (\A t \in Submitters : pc[t] \notin FaultCheckPcs) => check = NoCheck
    /\ posted_by \in [Slots -> Owners]
    /\ done_by \in [Slots -> Owners]
    /\ Len(pending_by) = Len(pending)
    /\ \A i \in DOMAIN pending_by : pending_by[i] \in Owners
    /\ \A t \in Submitters : executed[t] \in 0 .. count[t]
    /\ \A t \in Submitters :
        /\ executed_since_post[t] \subseteq executed_ids[t] /\ executed_ids[t] \subseteq 0 .. count[t] - 1
        /\ ChecksFaults => executed[t] = Cardinality(executed_ids[t])
    /\ reposting \in [Submitters -> BOOLEAN]

\* As dmar_enable_qi leaves it.
Init ==
    /\ free_head = 0 /\ free_tail = 0 /\ free_cnt = Length
    /\ desc_status = [s \in Slots |-> "QI_FREE"]
    /\ desc = [s \in Slots |-> Blank]
    /\ iqh = 0 /\ iqt = 0
    /\ lock = Nobody
    /\ waiters = <<>>
    /\ pending = <<>>
    /\ pc = [t \in Submitters |-> "Idle"]
    /\ count = [t \in Submitters |-> 0]
    /\ index = [t \in Submitters |-> 0]
    /\ at = [t \in Submitters |-> 0]
    /\ fsts = {}
    /\ itesid = 0
    /\ gone = {}
    /\ injected = 0
    /\ request = [t \in Submitters |-> Plain]
    /\ outcome = [t \in Submitters |-> "Success"]
    /\ check = NoCheck
    /\ posted_by = [s \in Slots |-> Nobody]
    /\ done_by = [s \in Slots |-> Nobody]
    /\ pending_by = <<>>
    /\ executed = [t \in Submitters |-> 0]
    /\ executed_ids = [t \in Submitters |-> {}]
    /\ executed_since_post = [t \in Submitters |-> {}]
    /\ reposting = [t \in Submitters |-> FALSE]

-----------------------------------------------------------------------------
(***************************************************************************)
(* Parts of actions                                                        *)
(***************************************************************************)

\* The driver writes one status; what hardware wrote there is gone.
SetStatus(s, value) ==
    /\ desc_status' = [desc_status EXCEPT ![s] = value]
    /\ done_by' = [done_by EXCEPT ![s] = Nobody]

SetDesc(t, s, value) ==
    /\ desc' = [desc EXCEPT ![s] = value]
    /\ posted_by' = [posted_by EXCEPT ![s] = t]

Goto(t, label) == pc' = [pc EXCEPT ![t] = label]

\* A seeded fault may drop a lock that it does not hold.
DropLock(t) == lock' = IF lock = t THEN Nobody ELSE lock

\* After `done' of its IDs t writes the next one, or turns to the WD.
IdOrWd(t, done) ==
    IF done < count[t]
    THEN Goto(t, "WriteId") /\ at' = [at EXCEPT ![t] = done]
    ELSE /\ Goto(t, IF PublishRule \in {"wd-iqt-status", "statuses-first"} THEN "WriteWd" ELSE "WdInUse")
         /\ at' = [at EXCEPT ![t] = 0]

\* After `done' of its slots t marks the next one, or turns to reclaim.
Marks(t) ==
    CASE MarkRule = "all-free" -> Size(t)
      [] MarkRule \in {"ids-done", "ids-free"} -> count[t]
      [] MarkRule = "nothing" -> 0

MarkOrReclaim(t, done) ==
    IF done < Marks(t)
    THEN Goto(t, "Mark") /\ at' = [at EXCEPT ![t] = done]
    ELSE Goto(t, "Reclaim") /\ at' = [at EXCEPT ![t] = 0]

\* t's loop is over.
LeaveLoop(t) ==
    IF CleanUpRule = "locked"
    THEN MarkOrReclaim(t, 0)
    ELSE Goto(t, "DropLock") /\ UNCHANGED at

\* An error is not forgotten for a later one.
EndWith(t, end) == outcome' = IF outcome[t] = "Success" THEN [outcome EXCEPT ![t] = end] ELSE outcome

\* One of t's IDs asks a device that is gone.
AsksGone(t) == \E i \in DOMAIN request[t].ids : request[t].ids[i] \in gone

LookForRoom(t) ==
    IF PresenceRule = "before-post" /\ AsksGone(t)
    THEN Goto(t, "GiveUp") /\ EndWith(t, "TimedOut") /\ UNCHANGED <<index, at>>
    ELSE IF free_cnt < Needed(t)
    THEN Goto(t, "NoRoom") /\ UNCHANGED <<index, at, outcome>>
    ELSE /\ index' = [index EXCEPT ![t] = free_head]
         /\ IF PublishRule = "statuses-first"
            THEN Goto(t, "WdInUse") /\ at' = [at EXCEPT ![t] = 0]
            ELSE IdOrWd(t, 0)
         /\ UNCHANGED outcome

\* Without a head guard reclaim has no end, so the count stops at Length + 1.
AdvanceTail ==
    /\ free_tail' = Plus(free_tail, 1)
    /\ free_cnt' = IF free_cnt > Length THEN free_cnt ELSE free_cnt + 1
    /\ UNCHANGED free_head

\* The call is over: what is left of it belongs to no present call.
Disown(t, owners) == [x \in DOMAIN owners |-> IF owners[x] = t THEN Returned ELSE owners[x]]

\* t returns, or begins again with the same descriptors.
Leave(t) ==
    /\ index' = [index EXCEPT ![t] = 0]
    /\ at' = [at EXCEPT ![t] = 0]
    /\ outcome' = [outcome EXCEPT ![t] = "Success"]
    /\ executed_since_post' = [executed_since_post EXCEPT ![t] = {}]
    /\ reposting' = [reposting EXCEPT ![t] = outcome[t] = "Again"]
    /\ IF outcome[t] = "Again"
       THEN /\ Goto(t, "Acquire")
            /\ UNCHANGED <<count, request, posted_by, done_by, pending_by, executed, executed_ids>>
       ELSE /\ Goto(t, "Idle")
            /\ count' = [count EXCEPT ![t] = 0]
            /\ request' = [request EXCEPT ![t] = Plain]
            /\ posted_by' = Disown(t, posted_by)
            /\ done_by' = Disown(t, done_by)
            /\ pending_by' = Disown(t, pending_by)
            /\ executed' = [executed EXCEPT ![t] = 0]
            /\ executed_ids' = [executed_ids EXCEPT ![t] = {}]

\* Handout: whether the post that t would begin takes a slot of a batch whose owner waits.
Withheld(t) ==
    /\ Handout = "not-while-owner-waits"
    /\ pc[t] = "Acquire"
    /\ WaitsWithRoom(t)
    /\ \E other \in Submitters \ {t} :
        /\ Waiting(other)
        /\ \/ Distance(free_head, index[other]) < Size(t)
           \/ Distance(index[other], free_head) < Size(other)

-----------------------------------------------------------------------------
(***************************************************************************)
(* The call and its lock                                                   *)
(***************************************************************************)

\* Kernel: t enters qi_submit_sync.
Call(t) ==
    /\ pc[t] = "Idle"
    /\ \E n \in Counts : \E r \in Requests(n) :
        /\ injected + Brings(r) <= FaultBound
        /\ injected' = injected + Brings(r)
        /\ count' = [count EXCEPT ![t] = n]
        /\ request' = [request EXCEPT ![t] = r]
    /\ Goto(t, "Acquire")
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, index, at, posted_by, done_by, executions>>
    /\ UNCHANGED <<fsts, itesid, gone, outcome, check>>

\* Kernel: raw_spin_lock_irqsave takes a place in the queue of the lock.
Enqueue(t) ==
    /\ Lock = "fifo"
    /\ pc[t] \in {"Acquire", "PollAcquire"}
    /\ \A i \in DOMAIN waiters : waiters[i] # t
    /\ waiters' = Append(waiters, t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, locals, posted_by, done_by, executions, faulty>>

\* Kernel: qi_submit_sync takes q_lock; before a post it looks for room at once
\* (g5plus: first whether the devices that it asks are there).
Acquire(t) ==
    /\ pc[t] \in {"Acquire", "PollAcquire"}
    /\ lock = Nobody
    /\ IF Lock = "fifo"
       THEN waiters # <<>> /\ Head(waiters) = t /\ waiters' = Tail(waiters)
       ELSE UNCHANGED waiters
    /\ ~Withheld(t)
    /\ lock' = t
    /\ IF pc[t] = "Acquire"
       THEN LookForRoom(t)
       ELSE Goto(t, "Poll") /\ UNCHANGED <<index, at, outcome>>
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, count, posted_by, done_by, executions>>
    /\ UNCHANGED <<world, request, check>>

\* Kernel: qi_submit_sync drops q_lock: to wait for room, between two looks at the
\* WD's status, when it returns or begins again; seeded: before it marks its slots.
Unlock(t) ==
    LET stays == UNCHANGED <<count, index, posted_by, done_by, pending_by, executions, request, outcome>>
    IN  /\ DropLock(t)
        /\ \/ /\ pc[t] = "NoRoom" /\ RoomWaitRule = "unlock"
              /\ Goto(t, "Acquire")
              /\ stays /\ UNCHANGED at
           \/ /\ pc[t] = "PollUnlock"
              /\ Goto(t, "PollAcquire")
              /\ stays /\ UNCHANGED at
           \/ /\ pc[t] = "DropLock"
              /\ MarkOrReclaim(t, 0)
              /\ stays
           \/ /\ pc[t] \in {"Return", "GiveUp"}
              /\ Leave(t)
        /\ UNCHANGED <<ring, desc_status, desc, iqh, iqt, waiters, pending, world, check>>

\* Seeded: looks for room again with the lock held.
Look(t) ==
    /\ pc[t] = "NoRoom" /\ RoomWaitRule = "keep-lock"
    /\ LookForRoom(t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, posted_by, done_by, executions>>
    /\ UNCHANGED <<world, request, check>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The post                                                                *)
(***************************************************************************)

\* Kernel: qi_submit_sync copies an ID into the ring.
WriteId(t) ==
    /\ pc[t] = "WriteId"
    /\ SetDesc(t, IdSlot(t), IF ChecksFaults THEN Id(at[t], request[t].ids[at[t] + 1]) ELSE Id(0, Unit))
    /\ IF IdStatusRule = "in-use" /\ PublishRule # "statuses-first"
       THEN Goto(t, "IdInUse") /\ UNCHANGED at
       ELSE IdOrWd(t, at[t] + 1)
    /\ UNCHANGED <<ring, desc_status, unit, iqt, lock, waiters, count, index, done_by, executions, faulty>>

\* Kernel: qi_submit_sync sets the ID's status; G1 before it copies the ID.
IdInUse(t) ==
    /\ pc[t] = "IdInUse"
    /\ SetStatus(IdSlot(t), "QI_IN_USE")
    /\ IF PublishRule # "statuses-first"
       THEN IdOrWd(t, at[t] + 1)
       ELSE IF at[t] + 1 < count[t]
       THEN at' = [at EXCEPT ![t] = @ + 1] /\ UNCHANGED pc
       ELSE Goto(t, "WriteId") /\ at' = [at EXCEPT ![t] = 0]
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, posted_by, executions, faulty>>

\* Kernel: qi_submit_sync sets the WD's status; G1 before everything else.
WdInUse(t) ==
    /\ pc[t] = "WdInUse"
    /\ SetStatus(WaitIndex(t), "QI_IN_USE")
    /\ Goto(t, CASE PublishRule = "status-wd-iqt" -> "WriteWd"
                 [] PublishRule = "status-iqt-wd" -> "WriteIqt"
                 [] PublishRule = "wd-iqt-status" -> "Poll"
                 [] PublishRule = "statuses-first" -> IF count[t] > 0 THEN "IdInUse" ELSE "WriteWd")
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, at, posted_by, executions, faulty>>

\* Kernel: qi_submit_sync writes the WD; its status address is its own slot (VT-d 6.5.2.8).
WriteWd(t) ==
    /\ pc[t] = "WriteWd"
    /\ SetDesc(t, WaitIndex(t),
               IF request[t].wd = "valid" THEN Wd(WaitIndex(t), "QI_DONE") ELSE InvalidWd(WaitIndex(t)))
    /\ Goto(t, IF PublishRule = "status-iqt-wd" THEN "Poll" ELSE "WriteIqt")
    /\ UNCHANGED <<ring, desc_status, unit, iqt, lock, waiters, count, index, at, done_by, executions, faulty>>

\* Kernel: qi_submit_sync advances free_head, lowers free_cnt and writes DMAR_IQT_REG (VT-d 6.5.2).
WriteIqt(t) ==
    /\ pc[t] = "WriteIqt"
    /\ free_head' = Plus(free_head, Size(t))
    /\ free_cnt' = free_cnt - Size(t)
    /\ iqt' = free_head'
    /\ Goto(t, CASE PublishRule \in {"status-wd-iqt", "statuses-first"} -> "Poll"
                 [] PublishRule = "status-iqt-wd" -> "WriteWd"
                 [] PublishRule = "wd-iqt-status" -> "WdInUse")
    /\ reposting' = [reposting EXCEPT ![t] = FALSE]
    /\ UNCHANGED <<free_tail, desc_status, desc, unit, lock, waiters, count, index, at>>
    /\ UNCHANGED <<posted_by, done_by, executed, executed_ids, executed_since_post, faulty>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The poll loop, MARK and RECLAIM                                         *)
(***************************************************************************)

\* Kernel: qi_submit_sync compares desc_status[wait_index] with QI_DONE.
Poll(t) ==
    /\ pc[t] = "Poll"
    /\ IF desc_status[PolledSlot(t)] = "QI_DONE"
       THEN LeaveLoop(t)
       ELSE Goto(t, IF ChecksFaults THEN "CheckAbort" ELSE "PollUnlock") /\ UNCHANGED at
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, faulty>>

\* Kernel: qi_submit_sync writes one own slot's status (G3 QI_DONE, from G4 on QI_FREE).
Mark(t) ==
    /\ pc[t] = "Mark"
    /\ SetStatus(IF at[t] = count[t] THEN WaitIndex(t) ELSE IdSlot(t),
                 IF MarkRule = "ids-done" THEN "QI_DONE" ELSE "QI_FREE")
    /\ MarkOrReclaim(t, at[t] + 1)
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, posted_by, executions, faulty>>

\* Kernel: reclaim_free_desc looks at the status of free_tail.
Reclaim(t) ==
    LET status == desc_status[free_tail]
        frees == ReclaimRule = "while-done" /\ status \in {"QI_DONE", "QI_ABORT"}
        advances == CASE ReclaimRule = "while-free-to-head" -> status = "QI_FREE" /\ free_tail # free_head
                      [] ReclaimRule = "while-free" -> status = "QI_FREE"
                      [] ReclaimRule = "to-head" -> free_tail # free_head
                      [] ReclaimRule \in {"while-done", "never"} -> FALSE
        stays == UNCHANGED <<count, index, at, posted_by, done_by, pending_by, executions, request, outcome>>
    IN  /\ pc[t] = "Reclaim"
        /\ CASE frees -> Goto(t, "ReclaimFree") /\ stays /\ UNCHANGED ring
             [] advances -> AdvanceTail /\ stays /\ UNCHANGED pc
             [] ~frees /\ ~advances /\ CleanUpRule = "locked" -> Goto(t, "Return") /\ stays /\ UNCHANGED ring
             [] ~frees /\ ~advances /\ CleanUpRule = "unlocked" -> Leave(t) /\ UNCHANGED ring
        /\ UNCHANGED <<desc_status, desc, iqh, iqt, lock, waiters, pending, world, check>>

\* Kernel: reclaim_free_desc (before the fix of 2024) sets that status QI_FREE and advances.
ReclaimFree(t) ==
    /\ pc[t] = "ReclaimFree"
    /\ SetStatus(free_tail, "QI_FREE")
    /\ AdvanceTail
    /\ Goto(t, "Reclaim")
    /\ UNCHANGED <<desc, unit, iqt, lock, waiters, count, index, at, posted_by, executions, faulty>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The fault check of the poll loop: qi_check_fault, where ChecksFaults    *)
(***************************************************************************)

\* Goes on; a pass that is over forgets its variables.
GoOn(t, label, c) == Goto(t, label) /\ check' = IF label = "PollUnlock" THEN NoCheck ELSE c

AfterIteCheck(fault) == IF "ICE" \in fault THEN "ClearIce" ELSE "PollUnlock"
AfterIqe(fault) == IF "ITE" \in fault THEN "IteIqh" ELSE AfterIteCheck(fault)

\* Leaves the poll loop from within the fault check.
Escape(t) == LeaveLoop(t) /\ check' = NoCheck

\* When ITE has been seen to: asks the device that ITESID named, or looks at the own status again.
Ask(t) ==
    IF TimeOutRule = "return" /\ check.itesid \in gone
    THEN EndWith(t, "TimedOut") /\ Escape(t)
    ELSE /\ Goto(t, "RecheckAbort")
         /\ check' = [NoCheck EXCEPT !.fault = check.fault]
         /\ UNCHANGED <<at, outcome>>

\* When all that is to be marked has been.
Walked(t) ==
    IF IteClearRule = "before-walk"
    THEN Ask(t)
    ELSE /\ Goto(t, "ClearIte")
         /\ check' = [check EXCEPT !.head = NoSlot, !.tail = NoSlot]
         /\ UNCHANGED <<at, outcome>>

\* The next slot of the ITE walk, which ends at IQT - 1 and may never get there.
WalkOn(t) ==
    LET next == Before(check.head, IF IteWalkRule = "odd" THEN 2 ELSE 1)
        label == IF next # check.tail THEN "Walk" ELSE "StraddlerIqh"
    IN  IF next = check.tail /\ StraddlerRule = "ignore"
        THEN Walked(t)
        ELSE Goto(t, label) /\ check' = [check EXCEPT !.head = next] /\ UNCHANGED <<at, outcome>>

\* Kernel: qi_check_fault compares the own WD's status with QI_ABORT: first, and again after an ITE.
CheckAbort(t) ==
    /\ pc[t] \in {"CheckAbort", "RecheckAbort"}
    /\ IF desc_status[WaitIndex(t)] = "QI_ABORT"
       THEN EndWith(t, "Again") /\ Escape(t)
       ELSE /\ UNCHANGED <<at, outcome>>
            /\ IF pc[t] = "CheckAbort"
               THEN Goto(t, "ReadFsts") /\ UNCHANGED check
               ELSE GoOn(t, AfterIteCheck(check.fault), check)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request>>

\* Kernel: qi_check_fault reads DMAR_FSTS_REG (VT-d 11.4.9.9).
ReadFsts(t) ==
    /\ pc[t] = "ReadFsts"
    /\ GoOn(t, IF "IQE" \in fsts THEN "IqeIqh" ELSE AfterIqe(fsts), [check EXCEPT !.fault = fsts])
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index, at>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request, outcome>>

\* Kernel: qi_check_fault reads DMAR_IQH_REG: after an IQE to see whether the descriptor is
\* its own, after an ITE to begin the walk before it; g5plus to look at the batch there.
ReadIqh(t) ==
    /\ \/ /\ pc[t] = "IqeIqh"
          /\ IF Distance(index[t], iqh) < (IF IqeAtRule = "first" THEN 1 ELSE Size(t))
             THEN Goto(t, "PatchDesc") /\ check' = [check EXCEPT !.head = iqh]
             ELSE GoOn(t, AfterIqe(check.fault), check)
          /\ UNCHANGED <<at, outcome>>
       \/ /\ pc[t] = "IteIqh"
          /\ LET last == Before(iqh, 1)
                 head == IF IteWalkRule = "odd" /\ last % 2 = 0 THEN last + 1 ELSE last
             IN  check' = [check EXCEPT !.head = head]
          /\ Goto(t, "IteIqt")
          /\ UNCHANGED <<at, outcome>>
       \/ /\ pc[t] = "StraddlerIqh"
          /\ IF Before(iqh, 1) = check.tail
             THEN Walked(t)
             ELSE /\ Goto(t, "StraddlerLook")
                  /\ check' = [check EXCEPT !.head = Before(iqh, 1)]
                  /\ UNCHANGED <<at, outcome>>
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request>>

\* Kernel: qi_check_fault writes over the invalid descriptor, here the own WD's copy; g5plus a
\* WD that tells nobody anything.  g5plus, after an ITE: the WD of the batch that IQH stands
\* in sends its owner back.  Whose the slot is does not change.
PatchDesc(t) ==
    /\ \/ /\ pc[t] = "PatchDesc"
          /\ LET own == Wd(check.head, "QI_DONE")
                 null == Wd(check.head, "QI_IN_USE")
             IN  desc' = [desc EXCEPT ![check.head] =
                             CASE IqePatchRule = "copy-wd" -> desc[WaitIndex(t)]
                               [] IqePatchRule = "null-wd" -> IF check.head = WaitIndex(t) THEN own ELSE null]
          /\ Goto(t, "ClearIqe")
          /\ check' = [check EXCEPT !.head = NoSlot]
          /\ UNCHANGED <<at, outcome>>
       \/ /\ pc[t] = "StraddlerPatch"
          /\ desc' = [desc EXCEPT ![check.head] = Wd(check.head, "QI_ABORT")]
          /\ Walked(t)
    /\ UNCHANGED <<ring, desc_status, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request>>

\* Kernel: qi_check_fault clears IQE; the call will return -EINVAL, g5plus not yet.
ClearIqe(t) ==
    /\ pc[t] = "ClearIqe"
    /\ fsts' = fsts \ {"IQE"}
    /\ outcome' = [outcome EXCEPT ![t] = "Invalid"]
    /\ IF IqeReturnRule = "at-once"
       THEN Escape(t)
       ELSE GoOn(t, AfterIqe(check.fault), check) /\ UNCHANGED at
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, itesid, gone, injected, request>>

\* When the registers have been read.
AfterReading == IF IteClearRule = "before-walk" THEN "ClearIte" ELSE "Walk"

\* Kernel: qi_check_fault reads DMAR_IQT_REG; the walk ends before it.
ReadIqt(t) ==
    /\ pc[t] = "IteIqt"
    /\ Goto(t, IF TimeOutRule = "return" THEN "ReadIqer" ELSE AfterReading)
    /\ check' = [check EXCEPT !.tail = Before(iqt, 1)]
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index, at>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request, outcome>>

\* Kernel: qi_check_fault reads DMAR_IQER_REG, where ITESID is good for something.
ReadIqer(t) ==
    /\ pc[t] = "ReadIqer"
    /\ Goto(t, AfterReading)
    /\ check' = [check EXCEPT !.itesid = itesid]
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index, at>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request, outcome>>

\* Kernel: qi_check_fault clears ITE, with which ITESID is gone; g5plus after the walk.
ClearIte(t) ==
    /\ pc[t] = "ClearIte"
    /\ fsts' = fsts \ {"ITE"}
    /\ itesid' = 0
    /\ IF IteClearRule = "before-walk"
       THEN Goto(t, "Walk") /\ UNCHANGED <<at, outcome, check>>
       ELSE Ask(t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, gone, injected, request>>

\* Kernel: qi_check_fault looks at a status of the ITE walk.
Walk(t) ==
    /\ pc[t] = "Walk"
    /\ IF desc_status[check.head] = "QI_IN_USE"
       THEN Goto(t, "WalkAbort") /\ UNCHANGED <<at, outcome, check>>
       ELSE WalkOn(t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request>>

\* Kernel: qi_check_fault sets that status QI_ABORT.
WalkAbort(t) ==
    /\ pc[t] = "WalkAbort"
    /\ SetStatus(check.head, "QI_ABORT")
    /\ WalkOn(t)
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, posted_by, executions, world, request>>

\* g5plus: if the descriptor before IQH does not end its batch, looks for the one that does.
ReadDesc(t) ==
    /\ pc[t] \in {"StraddlerLook", "StraddlerSeek"}
    /\ CASE EndsBatch(desc[check.head]) /\ pc[t] = "StraddlerSeek" ->
                Goto(t, "StraddlerPatch") /\ UNCHANGED <<at, outcome, check>>
         [] ~EndsBatch(desc[check.head]) /\ (pc[t] = "StraddlerLook" \/ check.head # check.tail) ->
                /\ Goto(t, "StraddlerSeek")
                /\ check' = [check EXCEPT !.head = Plus(@, 1)]
                /\ UNCHANGED <<at, outcome>>
         [] OTHER -> Walked(t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index>>
    /\ UNCHANGED <<posted_by, done_by, executions, world, request>>

\* Kernel: qi_check_fault clears ICE.
ClearIce(t) ==
    /\ pc[t] = "ClearIce"
    /\ fsts' = fsts \ {"ICE"}
    /\ GoOn(t, "PollUnlock", check)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index, at>>
    /\ UNCHANGED <<posted_by, done_by, executions, itesid, gone, injected, request, outcome>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware                                                                *)
(***************************************************************************)

\* The items of a sequence at some of its positions.
Keep(seq, positions) ==
    LET first[i \in 0 .. Len(seq)] ==
            IF i = 0 THEN <<>>
            ELSE IF i \in positions THEN Append(first[i - 1], seq[i])
            ELSE first[i - 1]
    IN  first[Len(seq)]

Without(seq, i) == SubSeq(seq, 1, i - 1) \o SubSeq(seq, i + 1, Len(seq))

\* The positions of pending IDs that may act now.  VT-d 6.5.2.8: without the fence flag,
\* which the driver never sets, an ID may execute before a WD ahead of it has completed.
Acting == {i \in DOMAIN pending : pending[i].kind = "id" /\ (Hardware = "in-order" => i = 1)}

\* VT-d 6.5.2.10 and 6.5.2.11: while IQE or ITE is set nothing is fetched.
MayFetch == iqh # iqt /\ fsts \cap {"IQE", "ITE"} = {}

MayInject(class) == class \in FaultClasses /\ injected < FaultBound

\* VT-d 6.5.2: IQH is advanced when a valid descriptor has been fetched.
Fetch ==
    /\ MayFetch
    /\ Len(pending) < Depth
    /\ ~IsInvalid(desc[iqh])
    /\ pending' = Append(pending, desc[iqh])
    /\ pending_by' = Append(pending_by, posted_by[iqh])
    /\ posted_by' = [posted_by EXCEPT ![iqh] = Nobody]
    /\ iqh' = Plus(iqh, 1)
    /\ UNCHANGED <<ring, desc_status, desc, iqt, lock, waiters, locals, done_by, executions, faulty>>

\* The ID at position i of the pending ones is left over from an earlier post of its batch:
\* t posts again, or the same ID of its present post is still in the ring or behind.
LeftOver(i, t) ==
    LET n == pending[i].number
        Same(d) == d.kind = "id" /\ d.number = n
    IN  \/ reposting[t]
        \/ \E j \in DOMAIN pending : j > i /\ pending_by[j] = t /\ Same(pending[j])
        \/ \E k \in 0 .. count[t] :
            posted_by[Plus(index[t], k)] = t /\ Same(desc[Plus(index[t], k)])

\* The unit does what an ID asks for, or the device answers.
Execute ==
    /\ \E i \in Acting :
        /\ pending[i].asks \notin gone
        /\ IF pending_by[i] \notin Submitters
           THEN UNCHANGED executions
           ELSE IF ChecksFaults
           THEN LET t == pending_by[i]
                    ids == executed_ids[t] \cup {pending[i].number}
                IN  /\ executed_ids' = [executed_ids EXCEPT ![t] = ids]
                    /\ executed_since_post' =
                        IF LeftOver(i, t)
                        THEN executed_since_post
                        ELSE [executed_since_post EXCEPT ![t] = @ \cup {pending[i].number}]
                    /\ executed' = [executed EXCEPT ![t] = Cardinality(ids)]
           ELSE /\ executed' = [executed EXCEPT ![pending_by[i]] = @ + 1]
                /\ UNCHANGED <<executed_ids, executed_since_post>>
        /\ pending' = Without(pending, i)
        /\ pending_by' = Without(pending_by, i)
        /\ UNCHANGED reposting
    /\ UNCHANGED <<ring, desc_status, desc, iqh, iqt, lock, waiters, locals, posted_by, done_by, faulty>>

\* VT-d 6.5.2.8: a WD writes its status after all descriptors ahead of it have completed.
Complete ==
    /\ pending # <<>>
    /\ Head(pending).kind = "wd"
    /\ "ITE" \notin fsts
    /\ desc_status' = [desc_status EXCEPT ![Head(pending).target] = Head(pending).data]
    /\ done_by' = [done_by EXCEPT ![Head(pending).target] =
                      IF Head(pending).data = "QI_DONE" THEN Head(pending_by) ELSE Nobody]
    /\ pending' = Tail(pending)
    /\ pending_by' = Tail(pending_by)
    /\ UNCHANGED <<ring, desc, iqh, iqt, lock, waiters, locals, posted_by, executions, faulty>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware that fails                                                     *)
(***************************************************************************)

\* VT-d 6.5.2.10: the descriptor at IQH is invalid.
Iqe ==
    /\ FaultClasses # {}
    /\ MayFetch
    /\ IsInvalid(desc[iqh])
    /\ fsts' = fsts \cup {"IQE"}
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, locals, posted_by, done_by, executions>>
    /\ UNCHANGED <<itesid, gone, injected, request, outcome, check>>

\* VT-d 6.5.2.11: the ID at position i is not answered.  It is dropped, ITE is set unless it
\* is already, pending WDs are aborted; what else becomes of fetched work is disputed.
NotAnswered(i) ==
    LET wds == {j \in DOMAIN pending : pending[j].kind = "wd"}
        ids == IF AfterIte = "drop" THEN {} ELSE {j \in DOMAIN pending : pending[j].kind = "id"} \ {i}
    IN  /\ \E outlive \in SUBSET (IF AfterIte = "wds-run" THEN wds ELSE {}) :
            /\ pending' = Keep(pending, ids \cup outlive)
            /\ pending_by' = Keep(pending_by, ids \cup outlive)
        /\ fsts' = fsts \cup {"ITE"}
        /\ itesid' = IF "ITE" \notin fsts /\ Itesid = "named" THEN pending[i].asks ELSE itesid
        /\ UNCHANGED <<ring, desc_status, desc, iqh, iqt, lock, waiters, locals, posted_by, done_by, executions>>
        /\ UNCHANGED <<gone, request, outcome, check>>

\* A device that is gone answers nothing.
TimeOut ==
    \E i \in Acting :
        /\ pending[i].asks \in gone
        /\ NotAnswered(i)
        /\ UNCHANGED injected

\* Injected: a device that is present does not answer.
LoseAnswer ==
    /\ MayInject("lost-answer")
    /\ injected' = injected + 1
    /\ \E i \in Acting :
        /\ pending[i].asks \in (1 .. Devices) \ gone
        /\ NotAnswered(i)

\* Injected: a completion that nobody waits for.
Ice ==
    /\ MayInject("ice")
    /\ "ICE" \notin fsts
    /\ fsts' = fsts \cup {"ICE"}
    /\ injected' = injected + 1
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, locals, posted_by, done_by, executions>>
    /\ UNCHANGED <<itesid, gone, request, outcome, check>>

\* Injected: a device goes.
Remove ==
    /\ MayInject("device-gone")
    /\ \E d \in (1 .. Devices) \ gone : gone' = gone \cup {d}
    /\ injected' = injected + 1
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, locals, posted_by, done_by, executions>>
    /\ UNCHANGED <<fsts, itesid, request, outcome, check>>

-----------------------------------------------------------------------------

\* All that t does after its call but take the lock.
Step(t) ==
    \/ Enqueue(t)
    \/ Unlock(t)
    \/ Look(t)
    \/ WriteId(t)
    \/ IdInUse(t)
    \/ WdInUse(t)
    \/ WriteWd(t)
    \/ WriteIqt(t)
    \/ Poll(t)
    \/ Mark(t)
    \/ Reclaim(t)
    \/ ReclaimFree(t)
    \/ CheckAbort(t)
    \/ ReadFsts(t)
    \/ ReadIqh(t)
    \/ PatchDesc(t)
    \/ ClearIqe(t)
    \/ ReadIqt(t)
    \/ ReadIqer(t)
    \/ ClearIte(t)
    \/ Walk(t)
    \/ WalkAbort(t)
    \/ ReadDesc(t)
    \/ ClearIce(t)

Next ==
    \/ \E t \in Submitters : Call(t) \/ Acquire(t) \/ Step(t)
    \/ Fetch
    \/ Execute
    \/ Complete
    \/ Iqe
    \/ TimeOut
    \/ LoseAnswer
    \/ Ice
    \/ Remove

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* Calling is not fair; every step after the call is.  The lock is         *)
(* strongly fair or first come, first served.  Nothing has to go wrong,    *)
(* but to find a descriptor invalid is to fetch it, and a device that is   *)
(* gone does time out.                                                     *)
(***************************************************************************)
Fairness ==
    /\ \A t \in Submitters :
        /\ WF_vars(Step(t))
        /\ Lock = "strong-fair" => SF_vars(Acquire(t))
        /\ Lock = "fifo" => WF_vars(Acquire(t))
    /\ IF FaultClasses = {} THEN WF_vars(Fetch) ELSE WF_vars(Fetch \/ Iqe)
    /\ WF_vars(Execute)
    /\ WF_vars(Complete)
    /\ "device-gone" \in FaultClasses => WF_vars(TimeOut)

FairSpec == Spec /\ Fairness

\* If t waits and there is room infinitely often, then it posts infinitely often.
\* Neither the lock's fairness nor any other of an action implies it: the waiter
\* is at the lock only when there is no room.
SlotsFairness ==
    \A t \in Submitters : []<>WaitsWithRoom(t) => []<><<WriteIqt(t)>>_vars

SlotsFairSpec == FairSpec /\ SlotsFairness

-----------------------------------------------------------------------------
(***************************************************************************)
(* Safety.  A property about a step is a predicate of the state in which   *)
(* that step can be done next.                                             *)
(***************************************************************************)

\* free_cnt is Length less what lies between free_tail and free_head, and never 0.
FreeCntConsistent == free_cnt = Length - Distance(free_tail, free_head)

\* No descriptor or QI_IN_USE is written into [IQH, IQT) or where a fetched WD will write.
NoOverwriteInFlight ==
    \A t \in Submitters :
        pc[t] \in {"WriteId", "IdInUse", "WdInUse", "WriteWd"} =>
            LET s == IF pc[t] \in {"WriteId", "IdInUse"} THEN IdSlot(t) ELSE WaitIndex(t)
            IN  /\ ~Within(s, iqh, iqt)
                /\ \A i \in DOMAIN pending : pending[i].kind = "wd" => pending[i].target # s

\* After every post IQT differs from IQH: a full ring does not look empty.
IqtDiffersFromIqh ==
    \A t \in Submitters : pc[t] = "WriteIqt" => Plus(free_head, Size(t)) # iqh

\* Hardware never fetches what was not submitted.
HwFetchedUnowned == iqh # iqt => posted_by[iqh] \in Submitters

\* t polls next and will see QI_DONE.
WillSeeDone(t) == pc[t] = "Poll" /\ desc_status[PolledSlot(t)] = "QI_DONE"

\* A call returns success only after all its IDs were executed since it began.
SuccessAfterExecution ==
    \A t \in Submitters : WillSeeDone(t) /\ outcome[t] = "Success" => executed[t] = count[t]

\* No submitter takes a QI_DONE that was written for another's WD.
NoStrangerDone ==
    \A t \in Submitters : WillSeeDone(t) => done_by[PolledSlot(t)] = t

\* Every access but taking the lock is made with the lock held.
LockHeldOnAccess ==
    \A t \in Submitters : pc[t] \in {"Idle", "Acquire", "PollAcquire"} \/ lock = t

\* With no call pending and hardware idle, free_cnt is Length.
NoSlotLeak == AtRest => free_cnt = Length

\* Hardware writes no status that is QI_FREE or lies in another call's batch.
NoStrayStatusWrite ==
    pending # <<>> /\ Head(pending).kind = "wd" /\ "ITE" \notin fsts =>
        LET s == Head(pending).target
        IN  /\ desc_status[s] # "QI_FREE"
            /\ \A t \in Submitters :
                HasIndex(t) /\ Distance(index[t], s) < Size(t) => Head(pending_by) = t

\* t returns next, with this outcome.
Returns(t, end) == pc[t] \in {"Return", "GiveUp"} /\ outcome[t] = end

\* A call returns -EINVAL only if one of its own descriptors was invalid.
EinvalOnlyIfInvalid == \A t \in Submitters : Returns(t, "Invalid") => Brings(request[t]) > 0

\* A call returns -ETIMEDOUT only if one of its IDs asks a device that is gone and was not
\* executed as last posted.
EtimedoutOnlyIfGone ==
    \A t \in Submitters : Returns(t, "TimedOut") =>
        \E i \in DOMAIN request[t].ids : request[t].ids[i] \in gone /\ i - 1 \notin executed_since_post[t]

\* No terminal state with an unfinished call.
NoDeadlock == (\A t \in Submitters : pc[t] = "Idle") \/ ENABLED <<Next>>_vars

-----------------------------------------------------------------------------
(***************************************************************************)
(* Liveness                                                                *)
(***************************************************************************)

\* Every posted WD is eventually observed QI_DONE by its owner.
WdEventuallyObservedDone == \A t \in Submitters : Waiting(t) ~> ~Waiting(t)

\* Every call that waits for slots eventually posts its batch.
CallEventuallyPosted == \A t \in Submitters : WantsRoom(t) ~> Waiting(t)

\* Every call eventually returns.
CallEventuallyReturns == \A t \in Submitters : pc[t] # "Idle" ~> pc[t] = "Idle"

\* Nobody keeps the lock for ever.
LockEventuallyDropped == \A t \in Submitters : lock = t ~> lock # t

-----------------------------------------------------------------------------
(***************************************************************************)
(* Refinement: which state of QI a state of the ring stands for.           *)
(*                                                                         *)
(*   Submit(t)    t's IQT write                                            *)
(*   Accept(t)    fetch of the first descriptor of t's batch               *)
(*   Execute(t)   execution of an ID of t's batch                          *)
(*   Complete(t)  the status write of t's WD                               *)
(*   Observe(t)   t's poll that sees QI_DONE                               *)
(*   Lose(t)      the step after which the QI_DONE written for t is gone   *)
(*                and t has not seen it                                    *)
(*                                                                         *)
(* and where faults occur                                                  *)
(*                                                                         *)
(*   Accept(t)    also: IQE is set at the first descriptor of t's batch    *)
(*   Abort        the ITE that drops pending WDs, or a status write of     *)
(*                QI_ABORT                                                 *)
(*   Again(t)     t's fault check sees QI_ABORT, or that its device is the *)
(*                one that timed out                                       *)
(*   Repost(t)    t's next IQT write for the same call                     *)
(*   Refuse(t)    t clears an IQE that it has found to be its own          *)
(*   Fail(t)      t returns -EINVAL, or -ETIMEDOUT after an ITE; or it is  *)
(*                about to post again and decides to return -ETIMEDOUT     *)
(*                                                                         *)
(* Once a batch is refused, nothing that becomes of its descriptors is     *)
(* seen.  An ID counts as executed if it was as last posted: what an       *)
(* earlier post has left executes for nobody.                              *)
(***************************************************************************)

\* How many descriptors of t's batch still lie in the ring.
Unfetched(t) == Cardinality({k \in 0 .. count[t] : posted_by[Plus(index[t], k)] = t})

\* Hardware has looked at the first descriptor of t's batch.
Begun(t) ==
    \/ Unfetched(t) < Size(t)
    \/ "IQE" \in fsts /\ iqh = index[t] /\ posted_by[iqh] = t

\* Its call will return -EINVAL, and waits in the specification until it does.
Refused(t) == outcome[t] = "Invalid"

\* It knows that its batch is lost, and has not posted it again or returned -ETIMEDOUT.
AbsAgain ==
    [t \in Submitters |->
        /\ ~Waiting(t)
        /\ \/ outcome[t] = "Again"
           \/ outcome[t] = "TimedOut" /\ pc[t] # "GiveUp"
           \/ outcome[t] = "Success" /\ reposting[t]]

AbsSubmitter == [t \in Submitters |-> IF Waiting(t) \/ Refused(t) \/ AbsAgain[t] THEN count[t] ELSE -1]

AbsSubmit == [t \in Submitters |-> IF Waiting(t) /\ ~Refused(t) /\ ~Begun(t) THEN count[t] ELSE -1]

\* How many IDs of t's batch, as last posted, were executed.
AbsExecuted(t) == IF ChecksFaults THEN Cardinality(executed_since_post[t]) ELSE executed[t]

AbsDone ==
    [t \in Submitters |->
        IF Waiting(t) /\ ~Refused(t) /\ desc_status[WaitIndex(t)] = "QI_DONE" /\ done_by[WaitIndex(t)] = t
        THEN AbsExecuted(t)
        ELSE -1]

AbsBatch(t) ==
    LET n == AbsExecuted(t)
    IN  [submitter |-> t, executed |-> n, left |-> IF n > count[t] THEN 0 ELSE count[t] - n]

\* Batches are fetched one after the other: those whose WD hardware holds come first, in
\* the order in which it holds them, then the one whose WD is still in the ring.
AbsQueue ==
    LET PartlyFetched(t) == Waiting(t) /\ ~Refused(t) /\ posted_by[WaitIndex(t)] = t /\ Begun(t)
        Held(i) ==
            /\ pending[i].kind = "wd" /\ EndsBatch(pending[i])
            /\ pending_by[i] \in Submitters /\ ~Refused(pending_by[i])
        FromPending[i \in 0 .. Len(pending)] ==
            IF i = 0 THEN <<>>
            ELSE IF Held(i) THEN Append(FromPending[i - 1], AbsBatch(pending_by[i]))
            ELSE FromPending[i - 1]
        FromRing[t \in {0} \cup Submitters] ==
            IF t = 0 THEN <<>>
            ELSE IF PartlyFetched(t) THEN Append(FromRing[t - 1], AbsBatch(t))
            ELSE FromRing[t - 1]
    IN  FromPending[Len(pending)] \o FromRing[Cardinality(Submitters)]

\* What is neither on its way, nor with hardware, nor done was aborted.
AbsFault ==
    LET abs == AbsQueue
        Lost(t) == AbsSubmit[t] = -1 /\ AbsDone[t] = -1 /\ \A i \in DOMAIN abs : abs[i].submitter # t
    IN  [t \in Submitters |->
            CASE Refused(t) -> "refused"
              [] Waiting(t) /\ ~Refused(t) -> IF FaultClasses # {} /\ Lost(t) THEN "aborted" ELSE "none"
              [] ~Waiting(t) /\ ~Refused(t) -> "none"]

AbsFaults == IF FaultClasses = {} THEN "none" ELSE "possible"

Abs == INSTANCE QI WITH
    Loss <- "none",
    Faults <- AbsFaults,
    submitter <- AbsSubmitter,
    submit <- AbsSubmit,
    done <- AbsDone,
    queue <- AbsQueue,
    fault <- AbsFault,
    again <- AbsAgain

LossyAbs == INSTANCE QI WITH
    Loss <- "done",
    Faults <- AbsFaults,
    submitter <- AbsSubmitter,
    submit <- AbsSubmit,
    done <- AbsDone,
    queue <- AbsQueue,
    fault <- AbsFault,
    again <- AbsAgain

\* Every step of the ring is one step of the specification or none.
RefinesSpec == Abs!Spec

\* No fair run of the ring breaks a fairness condition of the specification.
RefinesFairSpec == Abs!FairSpec /\ (AbsFaults = "possible" => Abs!FaultFairness)

\* As RefinesSpec, against the specification that may lose a Done.
RefinesLossySpec == LossyAbs!Spec

=============================================================================
