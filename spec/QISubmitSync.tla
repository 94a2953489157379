---------------------------- MODULE QISubmitSync ----------------------------
(***************************************************************************)
(* The descriptor ring of Intel VT-d queued invalidation as Linux drives   *)
(* it, on hardware in which nothing fails: the twin of src/impl_qi.rs.     *)
(*                                                                         *)
(* A CPU that wants the IOMMU to drop cached translations calls            *)
(* qi_submit_sync.  The call copies invalidation descriptors (IDs) and one *)
(* wait descriptor (WD) into a ring of slots that all CPUs share, writes   *)
(* the tail register IQT, and polls until hardware has written QI_DONE     *)
(* into the status of the WD's slot.  Hardware fetches descriptors from    *)
(* the head register IQH up to IQT.  At its end the call gives slots back. *)
(*                                                                         *)
(* One action is at most one access that hardware can also make (a status, *)
(* a descriptor, a register), or one operation on the lock.  An access to  *)
(* free_head, free_tail or free_cnt, which hardware never sees, is part of *)
(* the nearest action.  This is sound because only the holder of the lock  *)
(* uses them, which LockHeldOnAccess checks.                               *)
(*                                                                         *)
(* QIRing is the same ring with the first generation G1 and rules that can *)
(* be set one by one; QIRingFaults adds faults and the fault check.        *)
(*                                                                         *)
(* Sources: qi_submit_sync and reclaim_free_desc in                        *)
(* drivers/iommu/intel/dmar.c; Intel VT-d specification, revision 4.1,     *)
(* sections 6.5.2 and 6.5.2.8.                                             *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
    Submitters,     \* The callers of qi_submit_sync, 1..n.
    Counts,         \* The numbers of IDs that a call may bring; 0 is a lone WD.
    Length,         \* QI_LENGTH, the number of slots.
    Generation,     \* The driver: "G3" or "G4".
    Lock,           \* How q_lock is handed out: StrongFair or Fifo.
    Hardware,       \* Which fetched descriptors may act: InOrder or Pipelined.
    Depth           \* How many descriptors hardware fetches ahead.

(***************************************************************************)
(* Generations of the driver.  A call that has seen QI_DONE marks slots of *)
(* its own batch (MARK), and then moves free_tail on over slots that are   *)
(* ready (RECLAIM).  Commit 3cf74230c139 of 2024 changed both.             *)
(***************************************************************************)
IdsDone == "ids-done"                       \* MARK sets the batch's IDs QI_DONE, as its WD is.
AllFree == "all-free"                       \* MARK sets all slots of the batch QI_FREE.
WhileDone == "while-done"                   \* RECLAIM takes QI_DONE and QI_ABORT slots and frees them.
WhileFreeToHead == "while-free-to-head"     \* RECLAIM takes slots that are QI_FREE, up to free_head.

G3 == [mark |-> IdsDone, reclaim |-> WhileDone]             \* Linux 5.8 to 6.11.2: g3 and g3t.
G4 == [mark |-> AllFree, reclaim |-> WhileFreeToHead]       \* Linux 6.11.3 and later.
Rules == IF Generation = "G3" THEN G3 ELSE G4

StrongFair == "strong-fair"                 \* There is no queue; who tries again and again gets the lock.
Fifo == "fifo"                              \* There is a queue: first come, first served.
InOrder == "in-order"                       \* Only the oldest fetched descriptor acts.
Pipelined == "pipelined"                    \* Every fetched ID may execute.

ASSUME CallsAssumption ==
    /\ IsFiniteSet(Submitters) /\ Submitters # {} /\ Submitters = 1 .. Cardinality(Submitters)
    /\ Counts # {} /\ Counts \subseteq 0 .. Length - 2
ASSUME LengthAssumption == Length \in 4 .. 256 /\ Length % 2 = 0
ASSUME GenerationAssumption == Generation \in {"G3", "G4"}
ASSUME LockAssumption == Lock \in {StrongFair, Fifo}
ASSUME HardwareAssumption == Hardware \in {InOrder, Pipelined} /\ Depth \in 1 .. 4

VARIABLES
    free_head,      \* The next slot to hand out.
    free_tail,      \* The oldest slot that has not been reclaimed.
    free_cnt,       \* The number of free slots.
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
unit == <<iqh, iqt, pending>>       locking == <<lock, waiters>>        batch == <<count, index>>
vars == <<fields, desc_status, desc, unit, locking, pc, batch, at, posted_by, done_by, pending_by, executed>>

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

Blank == [kind |-> "blank", target |-> NoSlot]
Id == [kind |-> "id", target |-> NoSlot]
Wd(s) == [kind |-> "wd", target |-> s]      \* It writes QI_DONE to desc_status[s] (VT-d 6.5.2.8).
IsId(d) == d.kind = "id"
IsWd(d) == d.kind = "wd"

Nobody == 0                                 \* Never written, already fetched, or overwritten.
Returned == -1                              \* Left over from a call that has returned.

Size(t) == count[t] + 1                     \* A batch is its IDs and, behind them, the WD.
WaitIndex(t) == Plus(index[t], count[t])    \* The slot of the WD.
OwnSlot(t) == Plus(index[t], at[t])         \* The slot that t is at.
Needed(t) == count[t] + 2                   \* One slot always stays free, since IQT = IQH means empty.

TypeOK ==
    /\ free_head \in Slots /\ free_tail \in Slots /\ free_cnt \in 0 .. Length
    /\ desc_status \in [Slots -> {QI_FREE, QI_IN_USE, QI_DONE}]
    /\ \A s \in Slots : desc[s] \in {Blank, Id, Wd(s)}
    /\ iqh \in Slots /\ iqt \in Slots /\ Len(pending) <= Depth
    /\ \A i \in DOMAIN pending : pending[i] \in {Id} \cup {Wd(s) : s \in Slots}
    /\ lock \in Submitters \cup {Nobody}
    /\ \A i, j \in DOMAIN waiters : waiters[i] \in Submitters /\ (waiters[i] = waiters[j] => i = j)
    /\ pc \in [Submitters -> {"Idle", "Acquire", "NoRoom", "WriteId", "IdInUse", "WdInUse", "WriteWd", "WriteIqt",
                              "Poll", "PollUnlock", "PollAcquire", "Mark", "Reclaim", "ReclaimFree", "Return"}]
    /\ count \in [Submitters -> Counts \cup {0}] /\ index \in [Submitters -> Slots]
    /\ \A t \in Submitters : at[t] \in 0 .. count[t] /\ executed[t] \in 0 .. count[t]
    /\ \A s \in Slots : {posted_by[s], done_by[s]} \subseteq Submitters \cup {Nobody, Returned}
    /\ Len(pending_by) = Len(pending) /\ \A i \in DOMAIN pending_by : pending_by[i] \in Submitters \cup {Returned}

\* The state in which dmar_enable_qi leaves the ring.
Init ==
    /\ free_head = 0 /\ free_tail = 0 /\ free_cnt = Length
    /\ desc_status = [s \in Slots |-> QI_FREE] /\ desc = [s \in Slots |-> Blank]
    /\ iqh = 0 /\ iqt = 0 /\ pending = <<>>
    /\ lock = Nobody /\ waiters = <<>> /\ pc = [t \in Submitters |-> "Idle"]
    /\ count = [t \in Submitters |-> 0] /\ index = [t \in Submitters |-> 0] /\ at = [t \in Submitters |-> 0]
    /\ posted_by = [s \in Slots |-> Nobody] /\ done_by = [s \in Slots |-> Nobody]
    /\ pending_by = <<>> /\ executed = [t \in Submitters |-> 0]

-----------------------------------------------------------------------------
(***************************************************************************)
(* The call and its lock                                                   *)
(***************************************************************************)

Goto(t, label) == pc' = [pc EXCEPT ![t] = label]

\* t enters qi_submit_sync.
Call(t) ==
    /\ pc[t] = "Idle" /\ Goto(t, "Acquire")
    /\ \E n \in Counts : count' = [count EXCEPT ![t] = n]
    /\ UNCHANGED <<fields, desc_status, desc, unit, locking, index, at, posted_by, done_by, pending_by, executed>>

\* raw_spin_lock_irqsave: t takes a place in the queue of the lock.
Enqueue(t) ==
    /\ pc[t] \in {"Acquire", "PollAcquire"}
    /\ Lock = Fifo /\ \A i \in DOMAIN waiters : waiters[i] # t
    /\ waiters' = Append(waiters, t)
    /\ UNCHANGED <<fields, desc_status, desc, unit, lock, pc, batch, at, posted_by, done_by, pending_by, executed>>

TakeLock(t) ==
    /\ lock = Nobody /\ (Lock = Fifo => waiters # <<>> /\ Head(waiters) = t)
    /\ waiters' = IF Lock = Fifo THEN Tail(waiters) ELSE waiters
    /\ lock' = t

\* t has written `done' of its IDs, and writes the next one or turns to the WD.
IdOrWd(t, done) ==
    IF done < count[t]
    THEN Goto(t, "WriteId") /\ at' = [at EXCEPT ![t] = done]
    ELSE Goto(t, "WdInUse") /\ at' = [at EXCEPT ![t] = 0]

\* while (qi->free_cnt < count + 2)
LookForRoom(t) ==
    IF free_cnt >= Needed(t)
    THEN index' = [index EXCEPT ![t] = free_head] /\ IdOrWd(t, 0)
    ELSE Goto(t, "NoRoom") /\ UNCHANGED <<index, at>>

\* t takes q_lock: to post, or to look at the WD's status.
Acquire(t) ==
    /\ TakeLock(t)
    /\ \/ pc[t] = "Acquire" /\ LookForRoom(t)
       \/ pc[t] = "PollAcquire" /\ Goto(t, "Poll") /\ UNCHANGED <<index, at>>
    /\ UNCHANGED <<fields, desc_status, desc, unit, count, posted_by, done_by, pending_by, executed>>

\* What a call that has returned leaves behind belongs to no present call.
Disown(t, owners) == [x \in DOMAIN owners |-> IF owners[x] = t THEN Returned ELSE owners[x]]

Stay == UNCHANGED <<batch, at, posted_by, done_by, pending_by, executed>>

Leave(t) ==
    /\ count' = [count EXCEPT ![t] = 0] /\ index' = [index EXCEPT ![t] = 0] /\ at' = [at EXCEPT ![t] = 0]
    /\ posted_by' = Disown(t, posted_by) /\ done_by' = Disown(t, done_by) /\ pending_by' = Disown(t, pending_by)
    /\ executed' = [executed EXCEPT ![t] = 0]

\* t drops q_lock: to wait for room, between two looks at the WD's status, or to return.
Unlock(t) ==
    /\ lock' = Nobody
    /\ \/ pc[t] = "NoRoom" /\ Goto(t, "Acquire") /\ Stay
       \/ pc[t] = "PollUnlock" /\ Goto(t, "PollAcquire") /\ Stay
       \/ pc[t] = "Return" /\ Goto(t, "Idle") /\ Leave(t)
    /\ UNCHANGED <<fields, desc_status, desc, unit, waiters>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The post: each ID and its status, the WD's status and the WD, IQT       *)
(***************************************************************************)

SetDesc(t, s, d) == desc' = [desc EXCEPT ![s] = d] /\ posted_by' = [posted_by EXCEPT ![s] = t]
SetStatus(s, x) == desc_status' = [desc_status EXCEPT ![s] = x] /\ done_by' = [done_by EXCEPT ![s] = Nobody]

\* memcpy(qi->desc + offset, &desc[i], 1 << shift)
WriteId(t) ==
    /\ pc[t] = "WriteId" /\ Goto(t, "IdInUse")
    /\ SetDesc(t, OwnSlot(t), Id)
    /\ UNCHANGED <<fields, desc_status, unit, locking, batch, at, done_by, pending_by, executed>>

\* qi->desc_status[(index + i) % QI_LENGTH] = QI_IN_USE
IdInUse(t) ==
    /\ pc[t] = "IdInUse" /\ IdOrWd(t, at[t] + 1)
    /\ SetStatus(OwnSlot(t), QI_IN_USE)
    /\ UNCHANGED <<fields, desc, unit, locking, batch, posted_by, pending_by, executed>>

\* qi->desc_status[wait_index] = QI_IN_USE
WdInUse(t) ==
    /\ pc[t] = "WdInUse" /\ Goto(t, "WriteWd")
    /\ SetStatus(WaitIndex(t), QI_IN_USE)
    /\ UNCHANGED <<fields, desc, unit, locking, batch, at, posted_by, pending_by, executed>>

\* memcpy(qi->desc + offset, &wait_desc, 1 << shift)
WriteWd(t) ==
    /\ pc[t] = "WriteWd" /\ Goto(t, "WriteIqt")
    /\ SetDesc(t, WaitIndex(t), Wd(WaitIndex(t)))
    /\ UNCHANGED <<fields, desc_status, unit, locking, batch, at, done_by, pending_by, executed>>

\* free_head and free_cnt, then writel(qi->free_head << shift, iommu->reg + DMAR_IQT_REG)
WriteIqt(t) ==
    /\ pc[t] = "WriteIqt" /\ Goto(t, "Poll")
    /\ free_head' = Plus(free_head, Size(t)) /\ free_cnt' = free_cnt - Size(t) /\ iqt' = free_head'
    /\ UNCHANGED <<free_tail, desc_status, desc, iqh, pending, locking, batch, at>>
    /\ UNCHANGED <<posted_by, done_by, pending_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The poll loop, MARK and RECLAIM                                         *)
(***************************************************************************)

Marks(t) == IF Rules.mark = AllFree THEN Size(t) ELSE count[t]

\* t has marked `done' of its slots, and marks the next one or turns to RECLAIM.
MarkOrReclaim(t, done) ==
    IF done < Marks(t)
    THEN Goto(t, "Mark") /\ at' = [at EXCEPT ![t] = done]
    ELSE Goto(t, "Reclaim") /\ at' = [at EXCEPT ![t] = 0]

\* while (qi->desc_status[wait_index] != QI_DONE)
Poll(t) ==
    /\ pc[t] = "Poll"
    /\ IF desc_status[WaitIndex(t)] = QI_DONE
       THEN MarkOrReclaim(t, 0)
       ELSE Goto(t, "PollUnlock") /\ UNCHANGED at
    /\ UNCHANGED <<fields, desc_status, desc, unit, locking, batch, posted_by, done_by, pending_by, executed>>

Mark(t) ==
    /\ pc[t] = "Mark" /\ MarkOrReclaim(t, at[t] + 1)
    /\ SetStatus(OwnSlot(t), IF Rules.mark = AllFree THEN QI_FREE ELSE QI_DONE)
    /\ UNCHANGED <<fields, desc, unit, locking, batch, posted_by, pending_by, executed>>

AdvanceTail == free_tail' = Plus(free_tail, 1) /\ free_cnt' = free_cnt + 1 /\ UNCHANGED free_head

\* reclaim_free_desc reads the status of free_tail, whoever's slot that is.
Reclaim(t) ==
    LET status == desc_status[free_tail]
        frees == Rules.reclaim = WhileDone /\ status \in {QI_DONE, QI_ABORT}
        advances == Rules.reclaim = WhileFreeToHead /\ status = QI_FREE /\ free_tail # free_head
    IN  /\ pc[t] = "Reclaim"
        /\ CASE frees -> Goto(t, "ReclaimFree") /\ UNCHANGED fields
             [] advances -> AdvanceTail /\ UNCHANGED pc
             [] ~frees /\ ~advances -> Goto(t, "Return") /\ UNCHANGED fields
        /\ UNCHANGED <<desc_status, desc, unit, locking, batch, at, posted_by, done_by, pending_by, executed>>

\* G3 frees it, though its owner may not have seen QI_DONE yet: the bug of 2024.
ReclaimFree(t) ==
    /\ pc[t] = "ReclaimFree" /\ Goto(t, "Reclaim")
    /\ SetStatus(free_tail, QI_FREE) /\ AdvanceTail
    /\ UNCHANGED <<desc, unit, locking, batch, at, posted_by, pending_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware                                                                *)
(***************************************************************************)

\* VT-d 6.5.2: IQH moves on when a descriptor has been fetched.
Fetch ==
    /\ iqh # iqt /\ Len(pending) < Depth
    /\ iqh' = Plus(iqh, 1)
    /\ pending' = Append(pending, desc[iqh]) /\ pending_by' = Append(pending_by, posted_by[iqh])
    /\ posted_by' = [posted_by EXCEPT ![iqh] = Nobody]
    /\ UNCHANGED <<fields, desc_status, desc, iqt, locking, pc, batch, at, done_by, executed>>

\* VT-d 6.5.2.8: without the fence flag, which the driver never sets, an ID may execute before
\* a WD ahead of it has completed.
Acting == {i \in DOMAIN pending : IsId(pending[i]) /\ (Hardware = InOrder => i = 1)}
Without(seq, i) == SubSeq(seq, 1, i - 1) \o SubSeq(seq, i + 1, Len(seq))

Execute ==
    /\ \E i \in Acting :
        /\ pending' = Without(pending, i) /\ pending_by' = Without(pending_by, i)
        /\ executed' = [t \in Submitters |-> executed[t] + (IF pending_by[i] = t THEN 1 ELSE 0)]
    /\ UNCHANGED <<fields, desc_status, desc, iqh, iqt, locking, pc, batch, at, posted_by, done_by>>

\* VT-d 6.5.2.8: a WD writes its status after all descriptors ahead of it have completed.
Complete ==
    /\ pending # <<>> /\ IsWd(Head(pending))
    /\ pending' = Tail(pending) /\ pending_by' = Tail(pending_by)
    /\ desc_status' = [desc_status EXCEPT ![Head(pending).target] = QI_DONE]
    /\ done_by' = [done_by EXCEPT ![Head(pending).target] = Head(pending_by)]
    /\ UNCHANGED <<fields, desc, iqh, iqt, locking, pc, batch, at, posted_by, executed>>

-----------------------------------------------------------------------------

\* Every step of t except Call and Acquire.
Step(t) ==
    \/ Enqueue(t) \/ Unlock(t)
    \/ WriteId(t) \/ IdInUse(t) \/ WdInUse(t) \/ WriteWd(t) \/ WriteIqt(t)
    \/ Poll(t) \/ Mark(t) \/ Reclaim(t) \/ ReclaimFree(t)

Next == (\E t \in Submitters : Call(t) \/ Acquire(t) \/ Step(t)) \/ Fetch \/ Execute \/ Complete

Spec == Init /\ [][Next]_vars

\* Nobody has to call.  Every step after the call is weakly fair; taking the lock is strongly fair
\* where there is no queue.
Fairness ==
    /\ \A t \in Submitters : WF_vars(Step(t)) /\ (IF Lock = Fifo THEN WF_vars(Acquire(t)) ELSE SF_vars(Acquire(t)))
    /\ WF_vars(Fetch) /\ WF_vars(Execute) /\ WF_vars(Complete)

FairSpec == Spec /\ Fairness

-----------------------------------------------------------------------------
\* What callers are promised.  QISubmitSyncProperties has the other properties.

\* t has written IQT and not yet seen QI_DONE.
Waiting(t) == pc[t] \in {"Poll", "PollUnlock", "PollAcquire"}

\* Every posted WD is eventually observed QI_DONE by its owner.  G3 breaks this: the bug of 2024.
WdEventuallyObservedDone == \A t \in Submitters : Waiting(t) ~> ~Waiting(t)

THEOREM G4KeepsItsPromise == Generation = "G4" /\ FairSpec => WdEventuallyObservedDone
=============================================================================
