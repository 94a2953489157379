----------------------- MODULE QIRingFaultsProperties -----------------------
(***************************************************************************)
(* What is checked of QIRingFaults.  A property that faults do not change  *)
(* is that of QIRingProperties.  A call has more ways to end, and each way *)
(* has to be earned.                                                       *)
(***************************************************************************)
EXTENDS QIRingFaults

NoFaults == INSTANCE QIRingProperties

\* t has written IQT and not left the poll loop.
Waiting(t) == pc[t] \in FaultCheckPcs \/ Ring!Waiting(t)

-----------------------------------------------------------------------------
(***************************************************************************)
(* Safety                                                                  *)
(***************************************************************************)

FreeCntConsistent == NoFaults!FreeCntConsistent
HwFetchedUnowned == NoFaults!HwFetchedUnowned
LockHeldOnAccess == NoFaults!LockHeldOnAccess
NoSlotLeak == NoFaults!NoSlotLeak
NoDeadlock == (\A t \in Submitters : pc[t] = "Idle") \/ ENABLED <<Next>>_vars

\* What the fault check writes over an invalid descriptor lies in [IQH, IQT) on purpose.
Patches == \E t \in Submitters : pc[t] \in {"PatchDesc", "StraddlerPatch"} /\ pc'[t] # pc[t]
NoOverwriteInFlight == [][Patches \/ \A s \in Slots : NoFaults!Posted(s) => ~NoFaults!InFlight(s)]_vars

IqtDiffersFromIqh == [][iqt' # iqt => iqt' # iqh']_vars

\* t leaves the poll loop, having seen QI_DONE.
Observes(t) == pc[t] = "Poll" /\ pc'[t] \notin {"Poll", "CheckAbort"}

SuccessAfterExecution == [][\A t \in Submitters : Observes(t) /\ outcome[t] = Success => executed[t] = count[t]]_vars
NoStrangerDone == [][\A t \in Submitters : Observes(t) => done_by[PolledSlot(t)] = t]_vars

\* Slot s lies in t's batch.
IsOf(t, s) == pc[t] \notin {"Idle", "Acquire", "NoRoom", "GiveUp"} /\ Distance(index[t], s) < Size(t)

\* The first pending descriptor is a WD and completes.
Completes == pending # <<>> /\ IsWd(Head(pending)) /\ pending' = Tail(pending) /\ ITE \notin fsts'

\* Hardware writes no status that is QI_FREE or lies in another call's batch.
NoStrayStatusWrite ==
    [][Completes => LET s == Head(pending).target
                    IN  /\ desc_status[s] # QI_FREE
                        /\ \A t \in Submitters : IsOf(t, s) => Head(pending_by) = t]_vars

\* t returns next, with this outcome.
Returns(t, end) == pc[t] \in {"Return", "GiveUp"} /\ outcome[t] = end

\* A call returns -EINVAL only if one of its own descriptors was invalid.
EinvalOnlyIfInvalid == \A t \in Submitters : Returns(t, Einval) => Brings(request[t]) > 0

\* A call returns -ETIMEDOUT only if one of its IDs asks a device that is gone and was not executed
\* since the batch was last posted.
EtimedoutOnlyIfGone ==
    \A t \in Submitters : Returns(t, TimedOut) =>
        \E i \in DOMAIN request[t].ids : request[t].ids[i] \in gone /\ i - 1 \notin executed_since_post[t]

-----------------------------------------------------------------------------
(***************************************************************************)
(* Liveness                                                                *)
(***************************************************************************)

WdEventuallyObservedDone == \A t \in Submitters : Waiting(t) ~> ~Waiting(t)
CallEventuallyPosted == \A t \in Submitters : Ring!WantsRoom(t) ~> Waiting(t)
CallEventuallyReturns == \A t \in Submitters : pc[t] # "Idle" ~> pc[t] = "Idle"
LockEventuallyDropped == \A t \in Submitters : lock = t ~> lock # t

-----------------------------------------------------------------------------
(***************************************************************************)
(* Refinement: as in QIRingProperties, and where faults occur              *)
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
(* seen.  An ID counts as executed if it was since the batch was last      *)
(* posted; IDs left over from an earlier post are not counted.             *)
(***************************************************************************)

Nothing == -1

\* Hardware has looked at the first descriptor of t's batch.
Begun(t) ==
    \/ Cardinality({k \in 0 .. count[t] : posted_by[Plus(index[t], k)] = t}) < Size(t)
    \/ IQE \in fsts /\ iqh = index[t] /\ posted_by[iqh] = t

\* The call will return -EINVAL, and waits in the specification until it does.
Refused(t) == outcome[t] = Einval

\* t waits, and its batch has not been refused.
Pending(t) == Waiting(t) /\ ~Refused(t)

\* How many IDs of t's batch, as last posted, were executed.
Executed(t) == Cardinality(executed_since_post[t])

\* The following definitions have the names of the variables of QI, for which INSTANCE takes them.

\* t knows that its batch is lost, and has not posted it again or returned -ETIMEDOUT.
again ==
    [t \in Submitters |->
        /\ ~Waiting(t)
        /\ \/ outcome[t] = Again
           \/ outcome[t] = TimedOut /\ pc[t] # "GiveUp"
           \/ outcome[t] = Success /\ reposting[t]]

submitter == [t \in Submitters |-> IF Waiting(t) \/ Refused(t) \/ again[t] THEN count[t] ELSE Nothing]

submit == [t \in Submitters |-> IF Pending(t) /\ ~Begun(t) THEN count[t] ELSE Nothing]

done ==
    [t \in Submitters |->
        IF Pending(t) /\ desc_status[WaitIndex(t)] = QI_DONE /\ done_by[WaitIndex(t)] = t
        THEN Executed(t)
        ELSE Nothing]

\* Batches are fetched one after the other: those whose WD hardware holds come first, in the order
\* in which it holds them, then the one whose WD is still in the ring.
queue ==
    LET Upto(n) == [i \in 1 .. n |-> i]
        HoldsWd(i) == EndsBatch(pending[i]) /\ pending_by[i] \in Submitters /\ ~Refused(pending_by[i])
        PartlyFetched(t) == Pending(t) /\ posted_by[WaitIndex(t)] = t /\ Begun(t)
        Batch(t) ==
            [submitter |-> t,
             executed |-> Executed(t),
             left |-> IF Executed(t) > count[t] THEN 0 ELSE count[t] - Executed(t)]
        held == SelectSeq(Upto(Len(pending)), HoldsWd)
        partly == SelectSeq(Upto(Cardinality(Submitters)), PartlyFetched)
    IN  [i \in DOMAIN held |-> Batch(pending_by[held[i]])] \o [i \in DOMAIN partly |-> Batch(partly[i])]

\* What is neither on its way, nor with hardware, nor done was aborted.
fault ==
    LET batches == queue
        Lost(t) == submit[t] = Nothing /\ done[t] = Nothing /\ \A i \in DOMAIN batches : batches[i].submitter # t
    IN  [t \in Submitters |->
            IF Refused(t) THEN "refused"
            ELSE IF Waiting(t) /\ FaultClasses # {} /\ Lost(t) THEN "aborted"
            ELSE "none"]

Faults == IF FaultClasses = {} THEN "none" ELSE "possible"

Abs == INSTANCE QI WITH Loss <- "none"
LossyAbs == INSTANCE QI WITH Loss <- "done"

RefinesSpec == Abs!Spec
RefinesFairSpec == Abs!FairSpec /\ (Faults = "possible" => Abs!FaultFairness)
RefinesLossySpec == LossyAbs!Spec

-----------------------------------------------------------------------------

Promises ==
    /\ [](TypeOK /\ FreeCntConsistent /\ HwFetchedUnowned /\ LockHeldOnAccess /\ NoSlotLeak /\ NoDeadlock)
    /\ [](EinvalOnlyIfInvalid /\ EtimedoutOnlyIfGone)
    /\ NoOverwriteInFlight /\ IqtDiffersFromIqh /\ SuccessAfterExecution /\ NoStrangerDone /\ NoStrayStatusWrite
    /\ RefinesSpec /\ RefinesFairSpec /\ CallEventuallyReturns /\ LockEventuallyDropped

\* A completion that nobody waits for disturbs no driver whose ring is sound.
THEOREM StrayCompletionsAreHarmless ==
    (G1 \/ G4 \/ G5plus) /\ Handout = AsDriver /\ FaultClasses = {StrayCompletion} /\ SlotsFairSpec => Promises

\* Where no fetched WD outlives an ITE, g5plus keeps every promise, whatever else fails.
THEOREM G5plusKeepsItsPromises ==
    G5plus /\ Handout = AsDriver /\ AfterIte # WdsRun /\ SlotsFairSpec => Promises

=============================================================================
