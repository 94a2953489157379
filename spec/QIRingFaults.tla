---------------------------- MODULE QIRingFaults ----------------------------
(***************************************************************************)
(* The ring on hardware in which something may fail.                       *)
(*                                                                         *)
(* The module puts together the ring of QIRing, the fault check of         *)
(* QIRingFaultCheck, and hardware that fails.  An action that faults do    *)
(* not change is that of QIRing, written Ring!, and leaves what only       *)
(* faults change as it is.                                                 *)
(*                                                                         *)
(* Where no class of faults may be injected, the fault check is still made *)
(* at every turn of the poll loop, and finds nothing.                      *)
(***************************************************************************)
EXTENDS QIRingFaultCheck

(***************************************************************************)
(* Words                                                                   *)
(***************************************************************************)

\* Whom an ID asks: the unit itself, a device by its number (VT-d 6.5.2.5), or nobody, since the
\* unit refuses it (VT-d 6.5.2.10).
Unit == 0
Invalid == -1
Asks == {Unit} \cup (1 .. Devices) \cup (IF InvalidId \in FaultClasses THEN {Invalid} ELSE {})

\* Numbers tell the IDs of a batch apart, from 0.
Blank == Ring!Blank
Id(number, asks) == [kind |-> "id", target |-> NoSlot, number |-> number, asks |-> asks]
Descriptors ==
    {Blank}
    \cup {Id(number, asks) : number \in 0 .. Length - 3, asks \in Asks}
    \cup {WdWriting(s, data) : s \in Slots, data \in {QI_DONE, QI_IN_USE, QI_ABORT}}
    \cup {InvalidWd(s) : s \in Slots}

\* The unit refuses d.
IsInvalid(d) == d.kind \in {"blank", "invalid-wd"} \/ (IsId(d) /\ d.asks = Invalid)

\* What a call asks for: whom its IDs ask, in order, and whether its WD is valid.
Plain == [ids |-> <<>>, wd |-> "valid"]
Requests(n) ==
    [ids : [1 .. n -> Asks], wd : {"valid"} \cup (IF InvalidWait \in FaultClasses THEN {"invalid"} ELSE {})]

\* How many faults a request brings.
Brings(r) == Cardinality({i \in DOMAIN r.ids : r.ids[i] = Invalid}) + (IF r.wd = "invalid" THEN 1 ELSE 0)

Pcs ==
    {"Idle", "Acquire", "NoRoom", "WriteId", "IdInUse", "WdInUse", "WriteWd", "WriteIqt", "Poll", "PollUnlock",
     "PollAcquire", "DropLock", "Mark", "Reclaim", "ReclaimFree", "Return", "GiveUp"} \cup FaultCheckPcs

TypeOK ==
    /\ free_head \in Slots /\ free_tail \in Slots /\ free_cnt \in 0 .. Length + 1
    /\ desc_status \in [Slots -> {QI_FREE, QI_IN_USE, QI_DONE, QI_ABORT}]
    /\ desc \in [Slots -> Descriptors]
    /\ iqh \in Slots /\ iqt \in Slots
    /\ Len(pending) <= Depth /\ \A i \in DOMAIN pending : pending[i] \in Descriptors /\ ~IsInvalid(pending[i])
    /\ lock \in Submitters \cup {Nobody}
    /\ \A i, j \in DOMAIN waiters : waiters[i] \in Submitters /\ (waiters[i] = waiters[j] => i = j)
    /\ pc \in [Submitters -> Pcs]
    /\ count \in [Submitters -> Counts \cup {0}] /\ index \in [Submitters -> Slots]
    /\ \A t \in Submitters : at[t] \in 0 .. Size(t) /\ executed[t] = Cardinality(executed_ids[t])
    /\ posted_by \in [Slots -> Owners] /\ done_by \in [Slots -> Owners]
    /\ Len(pending_by) = Len(pending) /\ \A i \in DOMAIN pending_by : pending_by[i] \in Owners
    /\ fsts \subseteq {IQE, ITE, ICE} /\ itesid \in 0 .. Devices /\ gone \subseteq 1 .. Devices
    /\ injected \in 0 .. FaultBound
    /\ \A t \in Submitters : request[t] \in Requests(count[t]) \cup {Plain}
    /\ outcome \in [Submitters -> {Success, Again, Einval, TimedOut}]
    /\ check.fault \subseteq {IQE, ITE, ICE} /\ check.itesid \in 0 .. Devices
    /\ {check.head, check.tail} \subseteq Slots \cup {NoSlot}
    /\ (\A t \in Submitters : pc[t] \notin FaultCheckPcs) => check = NoCheck
    /\ \A t \in Submitters :
        executed_since_post[t] \subseteq executed_ids[t] /\ executed_ids[t] \subseteq 0 .. count[t] - 1
    /\ reposting \in [Submitters -> BOOLEAN]

Init ==
    /\ Ring!Init
    /\ fsts = {} /\ itesid = 0 /\ gone = {} /\ injected = 0
    /\ request = [t \in Submitters |-> Plain]
    /\ outcome = [t \in Submitters |-> Success]
    /\ check = NoCheck
    /\ executed_ids = [t \in Submitters |-> {}] /\ executed_since_post = [t \in Submitters |-> {}]
    /\ reposting = [t \in Submitters |-> FALSE]

-----------------------------------------------------------------------------
(***************************************************************************)
(* The driver                                                              *)
(***************************************************************************)

Call(t) ==
    /\ Ring!Call(t)
    /\ \E r \in Requests(count'[t]) :
        /\ injected + Brings(r) <= FaultBound
        /\ injected' = injected + Brings(r)
        /\ request' = [request EXCEPT ![t] = r]
    /\ UNCHANGED <<fsts, itesid, gone, outcome, check, seen>>

Enqueue(t) == Ring!Enqueue(t) /\ UNCHANGED faulty

\* g5plus: one of t's IDs asks a device that is gone.
GivesUp(t) == PresenceRule = BeforePost /\ \E i \in DOMAIN request[t].ids : request[t].ids[i] \in gone

GiveUp(t) ==
    /\ Goto(t, "GiveUp") /\ EndWith(t, TimedOut)
    /\ UNCHANGED <<fields, desc_status, desc, unit, batch, at, owners, executed>>

\* t takes q_lock, and looks for room if its devices are present.
Acquire(t) ==
    /\ IF pc[t] = "Acquire" /\ GivesUp(t)
       THEN Ring!TakeLock(t) /\ GiveUp(t)
       ELSE Ring!Acquire(t) /\ UNCHANGED outcome
    /\ UNCHANGED <<world, request, check, seen>>

Look(t) ==
    /\ pc[t] = "NoRoom" /\ RoomWaitRule = KeepLock
    /\ IF GivesUp(t) THEN GiveUp(t) /\ UNCHANGED locking ELSE Ring!Look(t) /\ UNCHANGED outcome
    /\ UNCHANGED <<world, request, check, seen>>

\* t returns, or begins again with the same descriptors.
Leave(t) ==
    /\ outcome' = [outcome EXCEPT ![t] = Success]
    /\ executed_since_post' = [executed_since_post EXCEPT ![t] = {}]
    /\ reposting' = [reposting EXCEPT ![t] = outcome[t] = Again]
    /\ IF outcome[t] = Again
       THEN /\ Goto(t, "Acquire")
            /\ index' = [index EXCEPT ![t] = 0]
            /\ at' = [at EXCEPT ![t] = 0]
            /\ UNCHANGED <<count, request, owners, executed, executed_ids>>
       ELSE /\ Ring!Leave(t)
            /\ request' = [request EXCEPT ![t] = Plain]
            /\ executed_ids' = [executed_ids EXCEPT ![t] = {}]

Unlock(t) ==
    /\ IF pc[t] \in {"Return", "GiveUp"}
       THEN /\ Ring!DropLock(t) /\ Leave(t)
            /\ UNCHANGED <<fields, desc_status, desc, unit, waiters>>
       ELSE Ring!Unlock(t) /\ UNCHANGED <<request, outcome, seen>>
    /\ UNCHANGED <<world, check>>

WriteId(t) ==
    /\ pc[t] = "WriteId" /\ Ring!AfterId(t)
    /\ SetDesc(t, IdSlot(t), Id(at[t], request[t].ids[at[t] + 1]))
    /\ UNCHANGED <<fields, desc_status, unit, locking, batch, done_by, pending_by, executed, faulty>>

IdInUse(t) == Ring!IdInUse(t) /\ UNCHANGED faulty
WdInUse(t) == Ring!WdInUse(t) /\ UNCHANGED faulty

WriteWd(t) ==
    /\ pc[t] = "WriteWd" /\ Ring!AfterWd(t)
    /\ SetDesc(t, WaitIndex(t),
               IF request[t].wd = "valid" THEN WdWriting(WaitIndex(t), QI_DONE) ELSE InvalidWd(WaitIndex(t)))
    /\ UNCHANGED <<fields, desc_status, unit, locking, batch, at, done_by, pending_by, executed, faulty>>

WriteIqt(t) ==
    /\ Ring!WriteIqt(t)
    /\ reposting' = [reposting EXCEPT ![t] = FALSE]
    /\ UNCHANGED <<world, request, outcome, check, executed_ids, executed_since_post>>

\* If the status is not QI_DONE, t looks for faults.
Poll(t) ==
    /\ pc[t] = "Poll"
    /\ IF desc_status[PolledSlot(t)] = QI_DONE
       THEN Ring!LeaveLoop(t)
       ELSE Goto(t, "CheckAbort") /\ UNCHANGED at
    /\ UNCHANGED <<fields, desc_status, desc, unit, locking, batch, owners, executed, faulty>>

Mark(t) == Ring!Mark(t) /\ UNCHANGED faulty

\* A seeded driver without the lock returns from here.
Reclaim(t) ==
    /\ pc[t] = "Reclaim"
    /\ IF CleanUpRule = Unlocked /\ ~Ring!Frees /\ ~Ring!Advances
       THEN Leave(t) /\ UNCHANGED <<fields, desc_status, desc, unit, locking>>
       ELSE Ring!Reclaim(t) /\ UNCHANGED <<request, outcome, seen>>
    /\ UNCHANGED <<world, check>>

ReclaimFree(t) == Ring!ReclaimFree(t) /\ UNCHANGED faulty

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware                                                                *)
(***************************************************************************)

\* VT-d 6.5.2.10 and 6.5.2.11: while IQE or ITE is set nothing is fetched.
MayFetch == fsts \cap {IQE, ITE} = {}

Fetch == MayFetch /\ ~IsInvalid(desc[iqh]) /\ Ring!Fetch /\ UNCHANGED faulty

\* The ID at position i of the pending ones is left over from an earlier post of its batch:
\* t posts again, or the same ID of its present post is still in the ring or behind.
LeftOver(i, t) ==
    LET Same(d) == IsId(d) /\ d.number = pending[i].number
    IN  \/ reposting[t]
        \/ \E j \in DOMAIN pending : j > i /\ pending_by[j] = t /\ Same(pending[j])
        \/ \E k \in 0 .. count[t] : posted_by[Plus(index[t], k)] = t /\ Same(desc[Plus(index[t], k)])

\* The unit does what an ID asks for, or the device answers.  An ID that is executed twice counts once.
Execute ==
    /\ \E i \in Ring!Acting :
        /\ pending[i].asks \notin gone
        /\ pending' = Ring!Without(pending, i) /\ pending_by' = Ring!Without(pending_by, i)
        /\ IF pending_by[i] \notin Submitters
           THEN UNCHANGED <<executed, executed_ids, executed_since_post>>
           ELSE LET t == pending_by[i]
                    number == pending[i].number
                IN  /\ executed_ids' = [executed_ids EXCEPT ![t] = @ \cup {number}]
                    /\ executed' = [executed EXCEPT ![t] = Cardinality(executed_ids[t] \cup {number})]
                    /\ executed_since_post' =
                        [executed_since_post EXCEPT ![t] = IF LeftOver(i, t) THEN @ ELSE @ \cup {number}]
    /\ UNCHANGED <<fields, desc_status, desc, iqh, iqt, locking, pc, batch, at, posted_by, done_by>>
    /\ UNCHANGED <<world, request, outcome, check, reposting>>

\* VT-d 6.5.2.11: while ITE is set no WD completes.
Complete ==
    /\ pending # <<>> /\ IsWd(Head(pending))
    /\ ITE \notin fsts
    /\ pending' = Tail(pending) /\ pending_by' = Tail(pending_by)
    /\ desc_status' = [desc_status EXCEPT ![Head(pending).target] = Head(pending).data]
    /\ done_by' = [done_by EXCEPT ![Head(pending).target] =
                      IF Head(pending).data = QI_DONE THEN Head(pending_by) ELSE Nobody]
    /\ UNCHANGED <<fields, desc, iqh, iqt, locking, pc, batch, at, posted_by, executed, faulty>>

\* What hardware leaves as it is when it sets a bit of FSTS, or a device goes.
beside == <<fields, desc_status, desc, iqh, iqt, locking, pc, batch, at, posted_by, done_by, executed, seen,
            request, outcome, check>>

\* VT-d 6.5.2.10: the descriptor at IQH is invalid.
Iqe ==
    /\ FaultClasses # {}
    /\ iqh # iqt /\ MayFetch /\ IsInvalid(desc[iqh])
    /\ fsts' = fsts \cup {IQE}
    /\ UNCHANGED <<beside, pending, pending_by, itesid, gone, injected>>

\* The items of a sequence at some of its positions.
Keep(seq, positions) ==
    LET kept == SelectSeq([i \in 1 .. Len(seq) |-> i], LAMBDA i : i \in positions)
    IN  [i \in 1 .. Len(kept) |-> seq[kept[i]]]

\* VT-d 6.5.2.11: the ID at position i is not answered.  It is dropped, ITE is set unless it is
\* already, pending WDs are aborted; what else becomes of fetched work is disputed: AfterIte.
NotAnswered(i) ==
    LET wds == {j \in DOMAIN pending : IsWd(pending[j])}
        ids == IF AfterIte = Drop THEN {} ELSE {j \in DOMAIN pending : IsId(pending[j])} \ {i}
    IN  /\ \E outlive \in SUBSET (IF AfterIte = WdsRun THEN wds ELSE {}) :
            /\ pending' = Keep(pending, ids \cup outlive)
            /\ pending_by' = Keep(pending_by, ids \cup outlive)
        /\ fsts' = fsts \cup {ITE}
        /\ itesid' = IF ITE \notin fsts /\ Itesid = Named THEN pending[i].asks ELSE itesid
        /\ UNCHANGED <<beside, gone>>

\* A device that is gone answers nothing.
TimeOut == \E i \in Ring!Acting : pending[i].asks \in gone /\ NotAnswered(i) /\ UNCHANGED injected

Inject(class) == class \in FaultClasses /\ injected < FaultBound /\ injected' = injected + 1

\* A device that is present does not answer.
LoseAnswer == Inject(LostAnswer) /\ \E i \in Ring!Acting : pending[i].asks \in (1 .. Devices) \ gone /\ NotAnswered(i)

\* A completion comes that nobody waits for.
Ice ==
    /\ Inject(StrayCompletion)
    /\ ICE \notin fsts /\ fsts' = fsts \cup {ICE}
    /\ UNCHANGED <<beside, pending, pending_by, itesid, gone>>

\* A device goes.
Remove ==
    /\ Inject(DeviceGone)
    /\ \E d \in (1 .. Devices) \ gone : gone' = gone \cup {d}
    /\ UNCHANGED <<beside, pending, pending_by, fsts, itesid>>

-----------------------------------------------------------------------------

\* All that t does after its call but take the lock.
Step(t) ==
    \/ Enqueue(t) \/ Unlock(t) \/ Look(t)
    \/ WriteId(t) \/ IdInUse(t) \/ WdInUse(t) \/ WriteWd(t) \/ WriteIqt(t)
    \/ Poll(t) \/ Mark(t) \/ Reclaim(t) \/ ReclaimFree(t)
    \/ CheckFault(t)

Next ==
    \/ \E t \in Submitters : Call(t) \/ Acquire(t) \/ Step(t)
    \/ Fetch \/ Execute \/ Complete
    \/ Iqe \/ TimeOut \/ LoseAnswer \/ Ice \/ Remove

Spec == Init /\ [][Next]_vars

\* As in QIRing.  Nothing has to go wrong, but to find a descriptor invalid is to fetch it, and a
\* device that is gone does time out.
Fairness ==
    /\ \A t \in Submitters : WF_vars(Step(t)) /\ (IF Lock = Fifo THEN WF_vars(Acquire(t)) ELSE SF_vars(Acquire(t)))
    /\ WF_vars(Fetch \/ Iqe) /\ WF_vars(Execute) /\ WF_vars(Complete)
    /\ DeviceGone \in FaultClasses => WF_vars(TimeOut)

FairSpec == Spec /\ Fairness

\* As in QIRing.
SlotsFairness == \A t \in Submitters : []<>Ring!WaitsWithRoom(t) => []<><<WriteIqt(t)>>_vars

SlotsFairSpec == FairSpec /\ SlotsFairness

=============================================================================
