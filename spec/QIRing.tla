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
(* Sources: qi_submit_sync and reclaim_free_desc in                        *)
(* drivers/iommu/intel/dmar.c; Intel VT-d specification, revision 4.1,     *)
(* sections 6.5.2, 6.5.2.8 and 6.5.2.10.                                   *)
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

CONSTANTS
    RoomRule,       \* "count-plus2"; seeded: "count-plus1".
    RoomWaitRule,   \* "unlock"; seeded: "keep-lock".
    LayoutRule,     \* "wd-last"; seeded: "wd-first".
    IdStatusRule,   \* "in-use"; seeded: "untouched".
    PublishRule,    \* "status-wd-iqt"; seeded: "status-iqt-wd", "wd-iqt-status".
    PollRule,       \* "done"; seeded: "first-slot-done".
    MarkRule,       \* G3: "ids-done", G4: "all-free"; seeded: "ids-free", "nothing".
    ReclaimRule,    \* G3: "while-done", G4: "while-free-to-head";
                    \* seeded: "while-free", "to-head", "never".
    CleanUpRule     \* "locked"; seeded: "unlocked".

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
    /\ PublishRule \in {"status-wd-iqt", "status-iqt-wd", "wd-iqt-status"}
    /\ PollRule \in {"done", "first-slot-done"}
    /\ MarkRule \in {"ids-done", "all-free", "ids-free", "nothing"}
    /\ ReclaimRule \in {"while-done", "while-free-to-head", "while-free", "to-head", "never"}
    /\ CleanUpRule \in {"locked", "unlocked"}

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
(* Ghosts: what the ring does not know and its properties need.  They are  *)
(* read by properties and by the refinement mapping only.                  *)
(***************************************************************************)
VARIABLES
    posted_by,      \* posted_by[s]: who wrote the descriptor, until it is fetched.
    done_by,        \* done_by[s]: for whose WD hardware wrote the QI_DONE in s.
    pending_by,     \* Whose the pending descriptors are.
    executed        \* executed[t]: how many IDs of t's present call were executed.

ring == <<free_head, free_tail, free_cnt>>
unit == <<iqh, pending, pending_by>>
locals == <<pc, count, index, at>>
vars == <<free_head, free_tail, free_cnt, desc_status, desc, iqh, iqt, lock, waiters, pending,
          pc, count, index, at, posted_by, done_by, pending_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Words                                                                   *)
(***************************************************************************)

Slots == 0 .. Length - 1

Blank == [kind |-> "blank", target |-> 0]       \* Type 0, invalid (VT-d 6.5.2).
Id == [kind |-> "id", target |-> 0]
Wd(s) == [kind |-> "wd", target |-> s]          \* Writes desc_status[s] (VT-d 6.5.2.8).
Descriptors == {Blank, Id} \cup {Wd(s) : s \in Slots}

Nobody == 0                                     \* Never submitted, fetched, overwritten.
Returned == -1                                  \* Left over from a call that has returned.
Owners == Submitters \cup {Nobody, Returned}

Statuses == {"QI_FREE", "QI_IN_USE", "QI_DONE", "QI_ABORT"}

Pcs == {"Idle", "Acquire", "NoRoom", "WriteId", "IdInUse", "WdInUse", "WriteWd", "WriteIqt", "Poll",
        "PollUnlock", "PollAcquire", "DropLock", "Mark", "Reclaim", "ReclaimFree", "Return"}

Plus(s, k) == (s + k) % Length
Distance(from, to) == (to - from) % Length
Within(s, from, to) == Distance(from, s) < Distance(from, to)       \* s in [from, to)

Size(t) == count[t] + 1
WaitIndex(t) == IF LayoutRule = "wd-last" THEN Plus(index[t], count[t]) ELSE index[t]
IdSlot(t) == Plus(index[t], at[t] + (IF LayoutRule = "wd-last" THEN 0 ELSE 1))
PolledSlot(t) == IF PollRule = "done" THEN WaitIndex(t) ELSE index[t]
Needed(t) == count[t] + (IF RoomRule = "count-plus2" THEN 2 ELSE 1)

\* IQT has been written for t's call and its completion has not been observed.
Waiting(t) ==
    \/ pc[t] \in {"Poll", "PollUnlock", "PollAcquire"}
    \/ pc[t] = "WdInUse" /\ PublishRule = "wd-iqt-status"
    \/ pc[t] = "WriteWd" /\ PublishRule = "status-iqt-wd"

\* t waits for free slots.
WantsRoom(t) == pc[t] \in {"Acquire", "NoRoom"}
WaitsWithRoom(t) == WantsRoom(t) /\ free_cnt >= Needed(t)

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
    /\ \A i \in DOMAIN pending : pending[i] \in Descriptors \ {Blank}
    /\ pc \in [Submitters -> Pcs]
    /\ count \in [Submitters -> Counts \cup {0}]
    /\ index \in [Submitters -> Slots]
    /\ \A t \in Submitters : at[t] \in 0 .. Size(t)
    /\ posted_by \in [Slots -> Owners]
    /\ done_by \in [Slots -> Owners]
    /\ Len(pending_by) = Len(pending)
    /\ \A i \in DOMAIN pending_by : pending_by[i] \in Owners
    /\ \A t \in Submitters : executed[t] \in 0 .. count[t]

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
    /\ posted_by = [s \in Slots |-> Nobody]
    /\ done_by = [s \in Slots |-> Nobody]
    /\ pending_by = <<>>
    /\ executed = [t \in Submitters |-> 0]

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
    ELSE /\ Goto(t, IF PublishRule = "wd-iqt-status" THEN "WriteWd" ELSE "WdInUse")
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

LookForRoom(t) ==
    IF free_cnt < Needed(t)
    THEN Goto(t, "NoRoom") /\ UNCHANGED <<index, at>>
    ELSE index' = [index EXCEPT ![t] = free_head] /\ IdOrWd(t, 0)

\* Without a head guard reclaim has no end, so the count stops at Length + 1.
AdvanceTail ==
    /\ free_tail' = Plus(free_tail, 1)
    /\ free_cnt' = IF free_cnt > Length THEN free_cnt ELSE free_cnt + 1
    /\ UNCHANGED free_head

\* The call is over: what is left of it belongs to no present call.
Disown(t, owners) == [x \in DOMAIN owners |-> IF owners[x] = t THEN Returned ELSE owners[x]]

Leave(t) ==
    /\ Goto(t, "Idle")
    /\ count' = [count EXCEPT ![t] = 0]
    /\ index' = [index EXCEPT ![t] = 0]
    /\ at' = [at EXCEPT ![t] = 0]
    /\ posted_by' = Disown(t, posted_by)
    /\ done_by' = Disown(t, done_by)
    /\ pending_by' = Disown(t, pending_by)
    /\ executed' = [executed EXCEPT ![t] = 0]

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
    /\ \E n \in Counts : count' = [count EXCEPT ![t] = n]
    /\ Goto(t, "Acquire")
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, index, at, posted_by, done_by, executed>>

\* Kernel: raw_spin_lock_irqsave takes a place in the queue of the lock.
Enqueue(t) ==
    /\ Lock = "fifo"
    /\ pc[t] \in {"Acquire", "PollAcquire"}
    /\ \A i \in DOMAIN waiters : waiters[i] # t
    /\ waiters' = Append(waiters, t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, locals, posted_by, done_by, executed>>

\* Kernel: qi_submit_sync takes q_lock; before a post it looks for room at once.
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
       ELSE Goto(t, "Poll") /\ UNCHANGED <<index, at>>
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, count, posted_by, done_by, executed>>

\* Kernel: qi_submit_sync drops q_lock: to wait for room, between two looks at the
\* WD's status, when it returns; seeded: before it marks its slots.
Unlock(t) ==
    /\ DropLock(t)
    /\ \/ /\ pc[t] = "NoRoom" /\ RoomWaitRule = "unlock"
          /\ Goto(t, "Acquire")
          /\ UNCHANGED <<count, index, at, posted_by, done_by, pending_by, executed>>
       \/ /\ pc[t] = "PollUnlock"
          /\ Goto(t, "PollAcquire")
          /\ UNCHANGED <<count, index, at, posted_by, done_by, pending_by, executed>>
       \/ /\ pc[t] = "DropLock"
          /\ MarkOrReclaim(t, 0)
          /\ UNCHANGED <<count, index, posted_by, done_by, pending_by, executed>>
       \/ /\ pc[t] = "Return"
          /\ Leave(t)
    /\ UNCHANGED <<ring, desc_status, desc, iqh, iqt, waiters, pending>>

\* Seeded: looks for room again with the lock held.
Look(t) ==
    /\ pc[t] = "NoRoom" /\ RoomWaitRule = "keep-lock"
    /\ LookForRoom(t)
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, posted_by, done_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The post                                                                *)
(***************************************************************************)

\* Kernel: qi_submit_sync copies an ID into the ring.
WriteId(t) ==
    /\ pc[t] = "WriteId"
    /\ SetDesc(t, IdSlot(t), Id)
    /\ IF IdStatusRule = "in-use"
       THEN Goto(t, "IdInUse") /\ UNCHANGED at
       ELSE IdOrWd(t, at[t] + 1)
    /\ UNCHANGED <<ring, desc_status, unit, iqt, lock, waiters, count, index, done_by, executed>>

\* Kernel: qi_submit_sync sets the ID's status.
IdInUse(t) ==
    /\ pc[t] = "IdInUse"
    /\ SetStatus(IdSlot(t), "QI_IN_USE")
    /\ IdOrWd(t, at[t] + 1)
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, posted_by, executed>>

\* Kernel: qi_submit_sync sets the WD's status.
WdInUse(t) ==
    /\ pc[t] = "WdInUse"
    /\ SetStatus(WaitIndex(t), "QI_IN_USE")
    /\ Goto(t, CASE PublishRule = "status-wd-iqt" -> "WriteWd"
                 [] PublishRule = "status-iqt-wd" -> "WriteIqt"
                 [] PublishRule = "wd-iqt-status" -> "Poll")
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, at, posted_by, executed>>

\* Kernel: qi_submit_sync writes the WD; its status address is its own slot (VT-d 6.5.2.8).
WriteWd(t) ==
    /\ pc[t] = "WriteWd"
    /\ SetDesc(t, WaitIndex(t), Wd(WaitIndex(t)))
    /\ Goto(t, IF PublishRule = "status-iqt-wd" THEN "Poll" ELSE "WriteIqt")
    /\ UNCHANGED <<ring, desc_status, unit, iqt, lock, waiters, count, index, at, done_by, executed>>

\* Kernel: qi_submit_sync advances free_head, lowers free_cnt and writes DMAR_IQT_REG (VT-d 6.5.2).
WriteIqt(t) ==
    /\ pc[t] = "WriteIqt"
    /\ free_head' = Plus(free_head, Size(t))
    /\ free_cnt' = free_cnt - Size(t)
    /\ iqt' = free_head'
    /\ Goto(t, CASE PublishRule = "status-wd-iqt" -> "Poll"
                 [] PublishRule = "status-iqt-wd" -> "WriteWd"
                 [] PublishRule = "wd-iqt-status" -> "WdInUse")
    /\ UNCHANGED <<free_tail, desc_status, desc, unit, lock, waiters, count, index, at, posted_by, done_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The poll loop, MARK and RECLAIM                                         *)
(***************************************************************************)

\* Kernel: qi_submit_sync compares desc_status[wait_index] with QI_DONE.
Poll(t) ==
    /\ pc[t] = "Poll"
    /\ IF desc_status[PolledSlot(t)] # "QI_DONE"
       THEN Goto(t, "PollUnlock") /\ UNCHANGED at
       ELSE IF CleanUpRule = "locked"
            THEN MarkOrReclaim(t, 0)
            ELSE Goto(t, "DropLock") /\ UNCHANGED at
    /\ UNCHANGED <<ring, desc_status, desc, unit, iqt, lock, waiters, count, index, posted_by, done_by, executed>>

\* Kernel: qi_submit_sync writes one own slot's status (G3 QI_DONE, from G4 on QI_FREE).
Mark(t) ==
    /\ pc[t] = "Mark"
    /\ SetStatus(IF at[t] = count[t] THEN WaitIndex(t) ELSE IdSlot(t),
                 IF MarkRule = "ids-done" THEN "QI_DONE" ELSE "QI_FREE")
    /\ MarkOrReclaim(t, at[t] + 1)
    /\ UNCHANGED <<ring, desc, unit, iqt, lock, waiters, count, index, posted_by, executed>>

\* Kernel: reclaim_free_desc looks at the status of free_tail.
Reclaim(t) ==
    LET status == desc_status[free_tail]
        frees == ReclaimRule = "while-done" /\ status \in {"QI_DONE", "QI_ABORT"}
        advances == CASE ReclaimRule = "while-free-to-head" -> status = "QI_FREE" /\ free_tail # free_head
                      [] ReclaimRule = "while-free" -> status = "QI_FREE"
                      [] ReclaimRule = "to-head" -> free_tail # free_head
                      [] ReclaimRule \in {"while-done", "never"} -> FALSE
        stays == UNCHANGED <<count, index, at, posted_by, done_by, pending_by, executed>>
    IN  /\ pc[t] = "Reclaim"
        /\ CASE frees -> Goto(t, "ReclaimFree") /\ stays /\ UNCHANGED ring
             [] advances -> AdvanceTail /\ stays /\ UNCHANGED pc
             [] ~frees /\ ~advances /\ CleanUpRule = "locked" -> Goto(t, "Return") /\ stays /\ UNCHANGED ring
             [] ~frees /\ ~advances /\ CleanUpRule = "unlocked" -> Leave(t) /\ UNCHANGED ring
        /\ UNCHANGED <<desc_status, desc, iqh, iqt, lock, waiters, pending>>

\* Kernel: reclaim_free_desc (before the fix of 2024) sets that status QI_FREE and advances.
ReclaimFree(t) ==
    /\ pc[t] = "ReclaimFree"
    /\ SetStatus(free_tail, "QI_FREE")
    /\ AdvanceTail
    /\ Goto(t, "Reclaim")
    /\ UNCHANGED <<desc, unit, iqt, lock, waiters, count, index, at, posted_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware                                                                *)
(***************************************************************************)

Without(seq, i) == SubSeq(seq, 1, i - 1) \o SubSeq(seq, i + 1, Len(seq))

\* VT-d 6.5.2: IQH is advanced when a valid descriptor has been fetched;
\* VT-d 6.5.2.10: at one that is invalid fetching stops.
Fetch ==
    /\ iqh # iqt
    /\ Len(pending) < Depth
    /\ desc[iqh] # Blank
    /\ pending' = Append(pending, desc[iqh])
    /\ pending_by' = Append(pending_by, posted_by[iqh])
    /\ posted_by' = [posted_by EXCEPT ![iqh] = Nobody]
    /\ iqh' = Plus(iqh, 1)
    /\ UNCHANGED <<ring, desc_status, desc, iqt, lock, waiters, locals, done_by, executed>>

\* VT-d 6.5.2.8: without the fence flag, which the driver never sets, an ID may
\* execute before a WD ahead of it has completed.
Execute ==
    /\ \E i \in DOMAIN pending :
        /\ Hardware = "in-order" => i = 1
        /\ pending[i] = Id
        /\ executed' = IF pending_by[i] \in Submitters
                       THEN [executed EXCEPT ![pending_by[i]] = @ + 1]
                       ELSE executed
        /\ pending' = Without(pending, i)
        /\ pending_by' = Without(pending_by, i)
    /\ UNCHANGED <<ring, desc_status, desc, iqh, iqt, lock, waiters, locals, posted_by, done_by>>

\* VT-d 6.5.2.8: a WD writes its status after all descriptors ahead of it have completed.
Complete ==
    /\ pending # <<>>
    /\ Head(pending).kind = "wd"
    /\ desc_status' = [desc_status EXCEPT ![Head(pending).target] = "QI_DONE"]
    /\ done_by' = [done_by EXCEPT ![Head(pending).target] = Head(pending_by)]
    /\ pending' = Tail(pending)
    /\ pending_by' = Tail(pending_by)
    /\ UNCHANGED <<ring, desc, iqh, iqt, lock, waiters, locals, posted_by, executed>>

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

Next ==
    \/ \E t \in Submitters : Call(t) \/ Acquire(t) \/ Step(t)
    \/ Fetch
    \/ Execute
    \/ Complete

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* Calling is not fair; every step after the call is.  The lock is         *)
(* strongly fair or first come, first served.                              *)
(***************************************************************************)
Fairness ==
    /\ \A t \in Submitters :
        /\ WF_vars(Step(t))
        /\ Lock = "strong-fair" => SF_vars(Acquire(t))
        /\ Lock = "fifo" => WF_vars(Acquire(t))
    /\ WF_vars(Fetch)
    /\ WF_vars(Execute)
    /\ WF_vars(Complete)

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
                /\ \A i \in DOMAIN pending : pending[i] # Wd(s)

\* After every post IQT differs from IQH: a full ring does not look empty.
IqtDiffersFromIqh ==
    \A t \in Submitters : pc[t] = "WriteIqt" => Plus(free_head, Size(t)) # iqh

\* Hardware never fetches what was not submitted.
HwFetchedUnowned == iqh # iqt => posted_by[iqh] \in Submitters

\* t polls next and will take what it sees for success.
WillSucceed(t) == pc[t] = "Poll" /\ desc_status[PolledSlot(t)] = "QI_DONE"

\* A call returns success only after all its IDs were executed since it began.
SuccessAfterExecution ==
    \A t \in Submitters : WillSucceed(t) => executed[t] = count[t]

\* No submitter takes a QI_DONE that was written for another's WD.
NoStrangerDone ==
    \A t \in Submitters : WillSucceed(t) => done_by[PolledSlot(t)] = t

\* Every access but taking the lock is made with the lock held.
LockHeldOnAccess ==
    \A t \in Submitters : pc[t] \in {"Idle", "Acquire", "PollAcquire"} \/ lock = t

\* With no call pending and hardware idle, free_cnt is Length.
NoSlotLeak == AtRest => free_cnt = Length

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
(***************************************************************************)

\* How many descriptors of t's batch still lie in the ring.
Unfetched(t) == Cardinality({k \in 0 .. count[t] : posted_by[Plus(index[t], k)] = t})

AbsSubmitter == [t \in Submitters |-> IF Waiting(t) THEN count[t] ELSE -1]

AbsSubmit == [t \in Submitters |-> IF Waiting(t) /\ Unfetched(t) = Size(t) THEN count[t] ELSE -1]

AbsDone ==
    [t \in Submitters |->
        IF Waiting(t) /\ desc_status[WaitIndex(t)] = "QI_DONE" /\ done_by[WaitIndex(t)] = t
        THEN executed[t]
        ELSE -1]

AbsBatch(t) ==
    [submitter |-> t,
     executed |-> executed[t],
     left |-> IF executed[t] > count[t] THEN 0 ELSE count[t] - executed[t]]

\* Batches are fetched one after the other: those whose WD hardware holds come first, in
\* the order in which it holds them, then the one whose WD is still in the ring.
AbsQueue ==
    LET PartlyFetched(t) ==
            Waiting(t) /\ posted_by[WaitIndex(t)] = t /\ Unfetched(t) < Size(t)
        Held(i) == pending[i].kind = "wd" /\ pending_by[i] \in Submitters
        FromPending[i \in 0 .. Len(pending)] ==
            IF i = 0 THEN <<>>
            ELSE IF Held(i) THEN Append(FromPending[i - 1], AbsBatch(pending_by[i]))
            ELSE FromPending[i - 1]
        FromRing[t \in {0} \cup Submitters] ==
            IF t = 0 THEN <<>>
            ELSE IF PartlyFetched(t) THEN Append(FromRing[t - 1], AbsBatch(t))
            ELSE FromRing[t - 1]
    IN  FromPending[Len(pending)] \o FromRing[Cardinality(Submitters)]

Abs == INSTANCE QI WITH
    Loss <- "none",
    submitter <- AbsSubmitter,
    submit <- AbsSubmit,
    done <- AbsDone,
    queue <- AbsQueue

LossyAbs == INSTANCE QI WITH
    Loss <- "done",
    submitter <- AbsSubmitter,
    submit <- AbsSubmit,
    done <- AbsDone,
    queue <- AbsQueue

\* Every step of the ring is one step of the specification or none.
RefinesSpec == Abs!Spec

\* No fair run of the ring breaks a fairness condition of the specification.
RefinesFairSpec == Abs!FairSpec

\* As RefinesSpec, against the specification that may lose a Done.
RefinesLossySpec == LossyAbs!Spec

=============================================================================
