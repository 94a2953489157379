------------------------------- MODULE QIRing -------------------------------
(***************************************************************************)
(* The ring of QISubmitSync with rules that can be set one by one, on      *)
(* hardware in which nothing fails: the twin of src/impl_qi.rs.            *)
(*                                                                         *)
(* QISubmitSync is the text to read first.  It has the drivers G3 and G4   *)
(* by name.  Here a driver is one value for each rule of QIRingRules, so   *)
(* that G1 and drivers with a seeded fault can be checked too.  An action  *)
(* that has the name of one of QISubmitSync makes the same accesses.       *)
(* QIRingFaults adds what can fail.                                        *)
(*                                                                         *)
(* Sources: qi_submit_sync and reclaim_free_desc in                        *)
(* drivers/iommu/intel/dmar.c; Intel VT-d specification, revision 4.1,     *)
(* sections 6.5.2 and 6.5.2.8.                                             *)
(***************************************************************************)
EXTENDS QIRingRules

vars == ring

Blank == [kind |-> "blank", target |-> NoSlot]
Id == [kind |-> "id", target |-> NoSlot]
Wd(s) == [kind |-> "wd", target |-> s]      \* It writes QI_DONE to desc_status[s] (VT-d 6.5.2.8).

TypeOK ==
    /\ free_head \in Slots /\ free_tail \in Slots /\ free_cnt \in 0 .. Length + 1
    /\ desc_status \in [Slots -> {QI_FREE, QI_IN_USE, QI_DONE}]
    /\ \A s \in Slots : desc[s] \in {Blank, Id, Wd(s)}
    /\ iqh \in Slots /\ iqt \in Slots /\ Len(pending) <= Depth
    /\ \A i \in DOMAIN pending : pending[i] \in {Id} \cup {Wd(s) : s \in Slots}
    /\ lock \in Submitters \cup {Nobody}
    /\ \A i, j \in DOMAIN waiters : waiters[i] \in Submitters /\ (waiters[i] = waiters[j] => i = j)
    /\ pc \in [Submitters -> {"Idle", "Acquire", "NoRoom", "WriteId", "IdInUse", "WdInUse", "WriteWd", "WriteIqt",
                              "Poll", "PollUnlock", "PollAcquire", "DropLock", "Mark", "Reclaim", "ReclaimFree",
                              "Return"}]
    /\ count \in [Submitters -> Counts \cup {0}] /\ index \in [Submitters -> Slots]
    /\ \A t \in Submitters : at[t] \in 0 .. Size(t) /\ executed[t] \in 0 .. count[t]
    /\ posted_by \in [Slots -> Owners] /\ done_by \in [Slots -> Owners]
    /\ Len(pending_by) = Len(pending) /\ \A i \in DOMAIN pending_by : pending_by[i] \in Owners

\* The state in which dmar_enable_qi leaves the ring.
Init ==
    /\ free_head = 0 /\ free_tail = 0 /\ free_cnt = Length
    /\ desc_status = [s \in Slots |-> QI_FREE] /\ desc = [s \in Slots |-> Blank]
    /\ iqh = 0 /\ iqt = 0 /\ pending = <<>>
    /\ lock = Nobody /\ waiters = <<>> /\ pc = [t \in Submitters |-> "Idle"]
    /\ count = [t \in Submitters |-> 0] /\ index = [t \in Submitters |-> 0] /\ at = [t \in Submitters |-> 0]
    /\ posted_by = [s \in Slots |-> Nobody] /\ done_by = [s \in Slots |-> Nobody]
    /\ pending_by = <<>> /\ executed = [t \in Submitters |-> 0]

\* t has written IQT and not yet seen QI_DONE.
Waiting(t) ==
    \/ pc[t] \in {"Poll", "PollUnlock", "PollAcquire"}
    \/ pc[t] = "WdInUse" /\ PublishRule = WdIqtStatus
    \/ pc[t] = "WriteWd" /\ PublishRule = StatusIqtWd

\* t waits for free slots.
WantsRoom(t) == pc[t] \in {"Acquire", "NoRoom"}
WaitsWithRoom(t) == WantsRoom(t) /\ free_cnt >= Needed(t)

-----------------------------------------------------------------------------
(***************************************************************************)
(* The call and its lock                                                   *)
(***************************************************************************)

\* t enters qi_submit_sync.
Call(t) ==
    /\ pc[t] = "Idle" /\ Goto(t, "Acquire")
    /\ \E n \in Counts : count' = [count EXCEPT ![t] = n]
    /\ UNCHANGED <<fields, desc_status, desc, unit, locking, index, at, owners, executed>>

\* t takes a place in the queue of the lock.
Enqueue(t) ==
    /\ pc[t] \in {"Acquire", "PollAcquire"}
    /\ Lock = Fifo /\ \A i \in DOMAIN waiters : waiters[i] # t
    /\ waiters' = Append(waiters, t)
    /\ UNCHANGED <<fields, desc_status, desc, unit, lock, pc, batch, at, owners, executed>>

\* Handout forbids t to post now: the post would take a slot of a batch whose owner still waits.
Withheld(t) ==
    /\ Handout = NotWhileOwnerWaits
    /\ pc[t] = "Acquire" /\ WaitsWithRoom(t)
    /\ \E other \in Submitters \ {t} :
        /\ Waiting(other)
        /\ Distance(free_head, index[other]) < Size(t) \/ Distance(index[other], free_head) < Size(other)

TakeLock(t) ==
    /\ lock = Nobody /\ (Lock = Fifo => waiters # <<>> /\ Head(waiters) = t)
    /\ ~Withheld(t)
    /\ waiters' = IF Lock = Fifo THEN Tail(waiters) ELSE waiters
    /\ lock' = t

\* t has written `done' of its IDs, and writes the next one or turns to the WD.
IdOrWd(t, done) ==
    IF done < count[t]
    THEN Goto(t, "WriteId") /\ at' = [at EXCEPT ![t] = done]
    ELSE /\ Goto(t, IF PublishRule \in {WdIqtStatus, StatusesFirst} THEN "WriteWd" ELSE "WdInUse")
         /\ at' = [at EXCEPT ![t] = 0]

LookForRoom(t) ==
    IF free_cnt < Needed(t)
    THEN Goto(t, "NoRoom") /\ UNCHANGED <<index, at>>
    ELSE /\ index' = [index EXCEPT ![t] = free_head]
         /\ IF PublishRule = StatusesFirst
            THEN Goto(t, "WdInUse") /\ at' = [at EXCEPT ![t] = 0]
            ELSE IdOrWd(t, 0)

\* t takes q_lock: to post, or to look at the WD's status.
Acquire(t) ==
    /\ TakeLock(t)
    /\ \/ pc[t] = "Acquire" /\ LookForRoom(t)
       \/ pc[t] = "PollAcquire" /\ Goto(t, "Poll") /\ UNCHANGED <<index, at>>
    /\ UNCHANGED <<fields, desc_status, desc, unit, count, owners, executed>>

\* KeepLock: t looks for room again with the lock held.
Look(t) ==
    /\ pc[t] = "NoRoom" /\ RoomWaitRule = KeepLock
    /\ LookForRoom(t)
    /\ UNCHANGED <<fields, desc_status, desc, unit, locking, count, owners, executed>>

\* How many slots of the batch MARK sets, from its first on.
Marks(t) ==
    CASE MarkRule = AllFree -> Size(t)
      [] MarkRule \in {IdsDone, IdsFree} -> count[t]
      [] MarkRule = NoMark -> 0

\* t has marked `done' of its slots, and marks the next one or turns to RECLAIM.
MarkOrReclaim(t, done) ==
    IF done < Marks(t)
    THEN Goto(t, "Mark") /\ at' = [at EXCEPT ![t] = done]
    ELSE Goto(t, "Reclaim") /\ at' = [at EXCEPT ![t] = 0]

\* What a call that has returned leaves behind belongs to no present call.
Disown(t, of) == [x \in DOMAIN of |-> IF of[x] = t THEN Returned ELSE of[x]]

Leave(t) ==
    /\ Goto(t, "Idle")
    /\ count' = [count EXCEPT ![t] = 0] /\ index' = [index EXCEPT ![t] = 0] /\ at' = [at EXCEPT ![t] = 0]
    /\ posted_by' = Disown(t, posted_by) /\ done_by' = Disown(t, done_by) /\ pending_by' = Disown(t, pending_by)
    /\ executed' = [executed EXCEPT ![t] = 0]

\* A seeded driver may drop a lock that it does not hold.
DropLock(t) == lock' = IF lock = t THEN Nobody ELSE lock

\* t drops q_lock: to wait for room, between two looks at the WD's status, before MARK if that is
\* done without the lock, or to return.
Unlock(t) ==
    /\ DropLock(t)
    /\ \/ /\ \/ pc[t] = "NoRoom" /\ RoomWaitRule = UnlockMeanwhile /\ Goto(t, "Acquire") /\ UNCHANGED at
             \/ pc[t] = "PollUnlock" /\ Goto(t, "PollAcquire") /\ UNCHANGED at
             \/ pc[t] = "DropLock" /\ MarkOrReclaim(t, 0)
          /\ UNCHANGED <<batch, owners, executed>>
       \/ pc[t] = "Return" /\ Leave(t)
    /\ UNCHANGED <<fields, desc_status, desc, iqh, iqt, pending, waiters>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The post                                                                *)
(***************************************************************************)

\* What t does when it has copied an ID into the ring.
AfterId(t) ==
    IF IdStatusRule = InUse /\ PublishRule # StatusesFirst
    THEN Goto(t, "IdInUse") /\ UNCHANGED at
    ELSE IdOrWd(t, at[t] + 1)

WriteId(t) ==
    /\ pc[t] = "WriteId" /\ AfterId(t)
    /\ SetDesc(t, IdSlot(t), Id)
    /\ UNCHANGED <<fields, desc_status, unit, locking, batch, done_by, pending_by, executed>>

IdInUse(t) ==
    /\ pc[t] = "IdInUse"
    /\ SetStatus(IdSlot(t), QI_IN_USE)
    /\ IF PublishRule = StatusesFirst
       THEN Goto(t, "WriteId") /\ UNCHANGED at
       ELSE IdOrWd(t, at[t] + 1)
    /\ UNCHANGED <<fields, desc, unit, locking, batch, posted_by, pending_by, executed>>

WdInUse(t) ==
    /\ pc[t] = "WdInUse"
    /\ SetStatus(WaitIndex(t), QI_IN_USE)
    /\ Goto(t, CASE PublishRule = StatusWdIqt -> "WriteWd"
                 [] PublishRule = StatusesFirst -> "IdInUse"
                 [] PublishRule = StatusIqtWd -> "WriteIqt"
                 [] PublishRule = WdIqtStatus -> "Poll")
    /\ UNCHANGED <<fields, desc, unit, locking, batch, at, posted_by, pending_by, executed>>

\* What t does when it has written the WD.
AfterWd(t) == Goto(t, IF PublishRule = StatusIqtWd THEN "Poll" ELSE "WriteIqt")

WriteWd(t) ==
    /\ pc[t] = "WriteWd" /\ AfterWd(t)
    /\ SetDesc(t, WaitIndex(t), Wd(WaitIndex(t)))
    /\ UNCHANGED <<fields, desc_status, unit, locking, batch, at, done_by, pending_by, executed>>

\* free_head and free_cnt, then IQT.
WriteIqt(t) ==
    /\ pc[t] = "WriteIqt"
    /\ free_head' = Plus(free_head, Size(t)) /\ free_cnt' = free_cnt - Size(t)
    /\ iqt' = free_head'
    /\ Goto(t, CASE PublishRule \in {StatusWdIqt, StatusesFirst} -> "Poll"
                 [] PublishRule = StatusIqtWd -> "WriteWd"
                 [] PublishRule = WdIqtStatus -> "WdInUse")
    /\ UNCHANGED <<free_tail, desc_status, desc, iqh, pending, locking, batch, at, owners, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The poll loop, MARK and RECLAIM                                         *)
(***************************************************************************)

LeaveLoop(t) ==
    IF CleanUpRule = Locked
    THEN MarkOrReclaim(t, 0)
    ELSE Goto(t, "DropLock") /\ UNCHANGED at

Poll(t) ==
    /\ pc[t] = "Poll"
    /\ IF desc_status[PolledSlot(t)] = QI_DONE
       THEN LeaveLoop(t)
       ELSE Goto(t, "PollUnlock") /\ UNCHANGED at
    /\ UNCHANGED <<fields, desc_status, desc, unit, locking, batch, owners, executed>>

Mark(t) ==
    /\ pc[t] = "Mark" /\ MarkOrReclaim(t, at[t] + 1)
    /\ SetStatus(IF at[t] = count[t] THEN WaitIndex(t) ELSE IdSlot(t),
                 IF MarkRule = IdsDone THEN QI_DONE ELSE QI_FREE)
    /\ UNCHANGED <<fields, desc, unit, locking, batch, posted_by, pending_by, executed>>

\* WhileFree has no end, so the count stops at Length + 1.
AdvanceTail ==
    /\ free_tail' = Plus(free_tail, 1) /\ UNCHANGED free_head
    /\ free_cnt' = IF free_cnt > Length THEN free_cnt ELSE free_cnt + 1

\* With WhileDone the slot may be another's, whose owner has not seen QI_DONE yet: the bug of 2024.
\* RECLAIM moves on over the slot of free_tail: with Frees it sets the status QI_FREE first, which
\* ReclaimFree does; with Advances it moves on at once.
Frees == ReclaimRule = WhileDone /\ desc_status[free_tail] \in {QI_DONE, QI_ABORT}
Advances ==
    \/ ReclaimRule = WhileFreeToHead /\ desc_status[free_tail] = QI_FREE /\ free_tail # free_head
    \/ ReclaimRule = WhileFree /\ desc_status[free_tail] = QI_FREE
    \/ ReclaimRule = ToHead /\ free_tail # free_head

\* reclaim_free_desc reads the status of free_tail, whoever's slot that is.
Reclaim(t) ==
    /\ pc[t] = "Reclaim"
    /\ CASE Frees -> Goto(t, "ReclaimFree") /\ UNCHANGED <<fields, batch, at, owners, executed>>
         [] Advances -> AdvanceTail /\ UNCHANGED <<pc, batch, at, owners, executed>>
         [] ~Frees /\ ~Advances /\ CleanUpRule = Locked ->
                Goto(t, "Return") /\ UNCHANGED <<fields, batch, at, owners, executed>>
         [] ~Frees /\ ~Advances /\ CleanUpRule = Unlocked -> Leave(t) /\ UNCHANGED fields
    /\ UNCHANGED <<desc_status, desc, iqh, iqt, pending, locking>>

ReclaimFree(t) ==
    /\ pc[t] = "ReclaimFree" /\ Goto(t, "Reclaim")
    /\ SetStatus(free_tail, QI_FREE) /\ AdvanceTail
    /\ UNCHANGED <<desc, unit, locking, batch, at, posted_by, pending_by, executed>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware                                                                *)
(***************************************************************************)

\* VT-d 6.5.2: IQH moves on when a descriptor has been fetched.  A slot in which nothing was ever
\* written is of type 0, which is invalid.
Fetch ==
    /\ iqh # iqt /\ Len(pending) < Depth
    /\ desc[iqh] # Blank
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
    \/ Enqueue(t) \/ Unlock(t) \/ Look(t)
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

\* If t waits and there is room infinitely often, then t posts infinitely often: see
\* QISubmitSyncProperties.
SlotsFairness == \A t \in Submitters : []<>WaitsWithRoom(t) => []<><<WriteIqt(t)>>_vars

SlotsFairSpec == FairSpec /\ SlotsFairness

=============================================================================
