----------------------------- MODULE QIRingRules -----------------------------
(***************************************************************************)
(* What QIRing and QIRingFaults are made of: the rules by which one driver *)
(* differs from another, the variables of the ring, and words for slots    *)
(* and batches.                                                            *)
(*                                                                         *)
(* Each rule is a constant.  The constant XyzRule is the field xyz of      *)
(* `Rules' in src/impl_qi/rules.rs and takes the same values.  The first   *)
(* value of a rule is that of the generation G3; the others are those of   *)
(* other generations, or seeded.  A seeded value is no kernel's: it is a   *)
(* fault that was put in on purpose, and some property has to be violated  *)
(* by it.  This shows that the properties can tell a right driver from a   *)
(* wrong one.                                                              *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
    Submitters,     \* The callers of qi_submit_sync, 1..n.
    Counts,         \* The numbers of IDs that a call may bring; 0 is a lone WD.
    Length,         \* QI_LENGTH, the number of slots.
    Lock,           \* How q_lock is handed out: StrongFair or Fifo.
    Hardware,       \* Which fetched descriptors may act: InOrder or Pipelined.
    Depth,          \* How many descriptors hardware fetches ahead.
    Handout         \* Which slots a post may hand out: AsDriver or NotWhileOwnerWaits.

StrongFair == "strong-fair"                 \* There is no queue; who tries again and again gets the lock.
Fifo == "fifo"                              \* There is a queue: first come, first served.
InOrder == "in-order"                       \* Only the oldest fetched descriptor acts.
Pipelined == "pipelined"                    \* Every fetched ID may execute.
AsDriver == "as-driver"                     \* Whatever the driver takes for free.
NotWhileOwnerWaits == "not-while-owner-waits"   \* No slot of a batch whose owner waits; no kernel ensures it.

CONSTANTS
    RoomRule,       \* How many free slots a post asks for.
    RoomWaitRule,   \* What becomes of the lock while it waits for them.
    LayoutRule,     \* Where the WD lies.
    IdStatusRule,   \* What becomes of the status of an ID's slot.
    PublishRule,    \* In which order statuses, descriptors and IQT are written.
    PollRule,       \* Which slot the poll loop looks at.
    MarkRule,       \* What MARK, the step after the poll loop, does with statuses of the own batch.
    ReclaimRule,    \* Over which slots RECLAIM, the last step of a call, moves free_tail on.
    CleanUpRule     \* Whether MARK and RECLAIM are done with the lock held.

CountPlus2 == "count-plus2"                 \* One more than the batch has, so that IQT never meets IQH.
CountPlus1 == "count-plus1"                 \* Seeded: as many as the batch has.

UnlockMeanwhile == "unlock"                 \* It is dropped, and taken again.
KeepLock == "keep-lock"                     \* Seeded: nobody can make room.

WdLast == "wd-last"                         \* Behind the IDs.
WdFirst == "wd-first"                       \* Seeded: the WD does not wait for the IDs behind it.

InUse == "in-use"                           \* It is set QI_IN_USE.
Untouched == "untouched"                    \* Seeded: it stays what it was, and RECLAIM may take the slot.

StatusWdIqt == "status-wd-iqt"              \* Each ID and its status, the WD's status, the WD, IQT.
StatusesFirst == "statuses-first"           \* G1: the WD's and the ID's status, the ID, the WD, IQT.
StatusIqtWd == "status-iqt-wd"              \* Seeded: IQT before the WD.
WdIqtStatus == "wd-iqt-status"              \* Seeded: the WD's status after IQT.

WdDone == "done"                            \* The WD's.
FirstSlotDone == "first-slot-done"          \* Seeded: the first of the batch.

IdsDone == "ids-done"                       \* It sets the IDs' QI_DONE; hardware has set the WD's.
AllFree == "all-free"                       \* G4: it sets all of them QI_FREE.
IdsFree == "ids-free"                       \* Seeded: it sets the IDs' QI_FREE and leaves the WD's.
NoMark == "nothing"                         \* Seeded: it leaves them all.

WhileDone == "while-done"                   \* Those that are QI_DONE or QI_ABORT; it sets them QI_FREE.
WhileFreeToHead == "while-free-to-head"     \* G4: those that are QI_FREE, up to free_head.
WhileFree == "while-free"                   \* Seeded: it does not look whether it has come to free_head.
ToHead == "to-head"                         \* Seeded: it does not look at statuses.
Never == "never"                            \* Seeded: over none.

Locked == "locked"
Unlocked == "unlocked"                      \* Seeded: the lock is dropped before them.

(***************************************************************************)
(* Generations of the driver, as far as nothing fails.  The fix of 2024,   *)
(* commit 3cf74230c139, is what tells G4 from G3.                          *)
(***************************************************************************)
KernelRules ==
    /\ RoomRule = CountPlus2 /\ RoomWaitRule = UnlockMeanwhile /\ LayoutRule = WdLast /\ IdStatusRule = InUse
    /\ PollRule = WdDone /\ CleanUpRule = Locked
G1Rules == KernelRules /\ PublishRule = StatusesFirst /\ MarkRule = IdsDone /\ ReclaimRule = WhileDone
G3Rules == KernelRules /\ PublishRule = StatusWdIqt /\ MarkRule = IdsDone /\ ReclaimRule = WhileDone
G4Rules == KernelRules /\ PublishRule = StatusWdIqt /\ MarkRule = AllFree /\ ReclaimRule = WhileFreeToHead

ASSUME CallsAssumption ==
    /\ IsFiniteSet(Submitters) /\ Submitters = 1 .. Cardinality(Submitters)
    /\ Cardinality(Submitters) \in 1 .. 8
    /\ Counts # {} /\ Counts \subseteq 0 .. Length - 2
ASSUME LengthAssumption == Length \in 4 .. 256 /\ Length % 2 = 0
ASSUME LockAssumption == Lock \in {StrongFair, Fifo}
ASSUME HardwareAssumption == Hardware \in {InOrder, Pipelined} /\ Depth \in 1 .. 4
ASSUME HandoutAssumption == Handout \in {AsDriver, NotWhileOwnerWaits}
ASSUME RulesAssumption ==
    /\ RoomRule \in {CountPlus2, CountPlus1}
    /\ RoomWaitRule \in {UnlockMeanwhile, KeepLock}
    /\ LayoutRule \in {WdLast, WdFirst}
    /\ IdStatusRule \in {InUse, Untouched}
    /\ PublishRule \in {StatusWdIqt, StatusesFirst, StatusIqtWd, WdIqtStatus}
    /\ PollRule \in {WdDone, FirstSlotDone}
    /\ MarkRule \in {IdsDone, AllFree, IdsFree, NoMark}
    /\ ReclaimRule \in {WhileDone, WhileFreeToHead, WhileFree, ToHead, Never}
    /\ CleanUpRule \in {Locked, Unlocked}
ASSUME G1Assumption == PublishRule = StatusesFirst => Counts = {1}      \* Its calls bring one ID.

VARIABLES
    free_head,      \* The next slot to hand out.
    free_tail,      \* The oldest slot that has not been reclaimed.
    free_cnt,       \* The number of free slots; it stops counting at Length + 1.
    desc_status,    \* desc_status[s]: the status of slot s.
    desc,           \* desc[s]: the descriptor in slot s.
    iqh,            \* The head register.
    iqt,            \* The tail register.
    pending,        \* The descriptors fetched and not completed, oldest first.
    lock,           \* Who holds q_lock, or Nobody.
    waiters,        \* The queue of a Fifo lock, first in line first.
    pc,             \* pc[t]: what t will do next.
    count,          \* count[t]: the number of IDs of t's batch.
    index,          \* index[t]: the first slot of t's batch; 0 until it has one.
    at,             \* at[t]: which of its slots t writes or marks.

    \* Ghosts: only properties and the refinement mapping read them.
    posted_by,      \* posted_by[s]: who wrote the descriptor in s, until it is fetched.
    done_by,        \* done_by[s]: for whose WD hardware wrote the QI_DONE in s.
    pending_by,     \* Who wrote the pending descriptors.
    executed        \* executed[t]: how many IDs of t's call were executed.

fields == <<free_head, free_tail, free_cnt>>
unit == <<iqh, iqt, pending>>
locking == <<lock, waiters>>
batch == <<count, index>>
owners == <<posted_by, done_by, pending_by>>
ring == <<fields, desc_status, desc, unit, locking, pc, batch, at, owners, executed>>

-----------------------------------------------------------------------------

Slots == 0 .. Length - 1
NoSlot == -1
Plus(s, k) == (s + k) % Length
Distance(from, to) == (to - from) % Length
Within(s, from, to) == Distance(from, s) < Distance(from, to)       \* s lies in [from, to).

QI_FREE == "QI_FREE"
QI_IN_USE == "QI_IN_USE"
QI_DONE == "QI_DONE"
QI_ABORT == "QI_ABORT"                      \* Only the fault check writes it: see QIRingFaultCheck.

IsId(d) == d.kind = "id"
IsWd(d) == d.kind = "wd"

Nobody == 0                                 \* Never written, already fetched, or overwritten.
Returned == -1                              \* Left over from a call that has returned.
Owners == Submitters \cup {Nobody, Returned}

Size(t) == count[t] + 1
WaitIndex(t) == IF LayoutRule = WdLast THEN Plus(index[t], count[t]) ELSE index[t]
IdSlot(t) == Plus(index[t], at[t] + (IF LayoutRule = WdLast THEN 0 ELSE 1))
PolledSlot(t) == IF PollRule = WdDone THEN WaitIndex(t) ELSE index[t]
Needed(t) == count[t] + (IF RoomRule = CountPlus2 THEN 2 ELSE 1)

Goto(t, label) == pc' = [pc EXCEPT ![t] = label]
SetDesc(t, s, d) == desc' = [desc EXCEPT ![s] = d] /\ posted_by' = [posted_by EXCEPT ![s] = t]
SetStatus(s, x) == desc_status' = [desc_status EXCEPT ![s] = x] /\ done_by' = [done_by EXCEPT ![s] = Nobody]

=============================================================================
