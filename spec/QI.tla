--------------------------------- MODULE QI ---------------------------------
(***************************************************************************)
(* What callers of qi_submit_sync rely on: the twin of src/spec.rs.        *)
(*                                                                         *)
(* Submitters and the invalidation unit exchange messages.  There is no    *)
(* ring, no slot and no lock: what is left is who waits for whom.  A       *)
(* submitter submits a batch of n IDs and a WD; hardware accepts the       *)
(* batch, executes the IDs of any accepted batch in any order, completes   *)
(* batches in the order of acceptance, and the submitter observes that.    *)
(*                                                                         *)
(* Sources: qi_submit_sync in drivers/iommu/intel/dmar.c; Intel VT-d       *)
(* specification, revision 4.1, sections 6.5.2 and 6.5.2.8.                *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
    Submitters,     \* The submitters, 1..n: `T1' onwards.
    Counts,         \* The numbers of IDs that a call may submit; 0 is a lone WD.
    Loss,           \* "none", or "done": a Done may be lost, nothing else.
    Faults          \* "none", or "possible": hardware may abort batches or refuse one.

ASSUME ConstantsAssumption ==
    /\ IsFiniteSet(Submitters) /\ Submitters = 1 .. Cardinality(Submitters)
    /\ Submitters # {}
    /\ Counts # {} /\ Counts \subseteq 0 .. 254
    /\ Loss \in {"none", "done"}
    /\ Faults \in {"none", "possible"}

VARIABLES
    submitter,      \* submitter[t]: the count t waits for, Idle between calls.
    submit,         \* submit[t]: the count of a Submit in flight, or Nothing.
    done,           \* done[t]: the executed IDs of a Done in flight, or Nothing.
    queue,          \* Batches accepted and not completed, in the order of acceptance.
    fault,          \* fault[t]: an Aborted or Refused in flight: "none", "aborted", "refused".
    again           \* again[t]: t's batch was aborted, and t has not submitted it again.

vars == <<submitter, submit, done, queue, fault, again>>

Idle == -1
Nothing == -1

Largest == CHOOSE n \in Counts : \A m \in Counts : m <= n

Batch == [submitter : Submitters, executed : 0 .. Largest, left : 0 .. Largest]

TypeOK ==
    /\ submitter \in [Submitters -> Counts \cup {Idle}]
    /\ submit \in [Submitters -> Counts \cup {Nothing}]
    /\ done \in [Submitters -> (0 .. Largest) \cup {Nothing}]
    /\ Len(queue) <= Cardinality(Submitters)
    /\ \A i \in DOMAIN queue : queue[i] \in Batch
    /\ fault \in [Submitters -> {"none", "aborted", "refused"}]
    /\ again \in [Submitters -> BOOLEAN]

Waiting(t) == submitter[t] # Idle

Init ==
    /\ submitter = [t \in Submitters |-> Idle]
    /\ submit = [t \in Submitters |-> Nothing]
    /\ done = [t \in Submitters |-> Nothing]
    /\ queue = <<>>
    /\ fault = [t \in Submitters |-> "none"]
    /\ again = [t \in Submitters |-> FALSE]

-----------------------------------------------------------------------------
(***************************************************************************)
(* Submitters                                                              *)
(***************************************************************************)

\* An idle t picks a count and sends Submit.  Kernel: qi_submit_sync writes IQT.
Submit(t) ==
    /\ submitter[t] = Idle
    /\ \E n \in Counts :
        /\ submitter' = [submitter EXCEPT ![t] = n]
        /\ submit' = [submit EXCEPT ![t] = n]
    /\ UNCHANGED <<done, queue, fault, again>>

\* Done arrives, t returns.  Kernel: the poll in qi_submit_sync sees QI_DONE.
Observe(t) ==
    /\ done[t] # Nothing
    /\ done' = [done EXCEPT ![t] = Nothing]
    /\ submitter' = [submitter EXCEPT ![t] = Idle]
    /\ UNCHANGED <<submit, queue, fault, again>>

\* Aborted arrives.  Kernel: -EAGAIN.
Again(t) ==
    /\ fault[t] = "aborted"
    /\ fault' = [fault EXCEPT ![t] = "none"]
    /\ again' = [again EXCEPT ![t] = TRUE]
    /\ UNCHANGED <<submitter, submit, done, queue>>

\* t submits the same batch again.  Of what an earlier attempt has executed nothing is
\* remembered.  Kernel: qi_submit_sync writes IQT once more.
Repost(t) ==
    /\ again[t]
    /\ again' = [again EXCEPT ![t] = FALSE]
    /\ submit' = [submit EXCEPT ![t] = submitter[t]]
    /\ UNCHANGED <<submitter, done, queue, fault>>

\* t gives up an aborted batch, or Refused arrives.  Kernel: -ETIMEDOUT, -EINVAL.
Fail(t) ==
    /\ again[t] \/ fault[t] = "refused"
    /\ submitter' = [submitter EXCEPT ![t] = Idle]
    /\ fault' = [fault EXCEPT ![t] = "none"]
    /\ again' = [again EXCEPT ![t] = FALSE]
    /\ UNCHANGED <<submit, done, queue>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hardware                                                                *)
(***************************************************************************)

\* Submit arrives.  VT-d 6.5.2: the batch's first descriptor is fetched.
Accept(t) ==
    /\ submit[t] # Nothing
    /\ submit' = [submit EXCEPT ![t] = Nothing]
    /\ queue' = Append(queue, [submitter |-> t, executed |-> 0, left |-> submit[t]])
    /\ UNCHANGED <<submitter, done, fault, again>>

\* One more ID of t's batch, wherever that is in the queue.  VT-d 6.5.2.8: the
\* driver sets no fence flag, so IDs behind a WD need not await it.
Execute(t) ==
    /\ \E i \in DOMAIN queue :
        /\ queue[i].submitter = t
        /\ queue[i].left > 0
        /\ queue' = [queue EXCEPT ![i].executed = @ + 1, ![i].left = @ - 1]
    /\ UNCHANGED <<submitter, submit, done, fault, again>>

\* t's batch, first in the queue with nothing left, leaves it.  VT-d 6.5.2.8:
\* a WD writes its status after all descriptors ahead of it have completed.
Complete(t) ==
    /\ queue # <<>>
    /\ Head(queue).submitter = t
    /\ Head(queue).left = 0
    /\ done' = [done EXCEPT ![t] = Head(queue).executed]
    /\ queue' = Tail(queue)
    /\ UNCHANGED <<submitter, submit, fault, again>>

Queued == {queue[i].submitter : i \in DOMAIN queue}

\* Drops some batches.  VT-d 6.5.2.11: at an ITE pending WDs are aborted.
Abort ==
    /\ Faults = "possible"
    /\ \E dropped \in SUBSET Queued \ {{}} :
        /\ queue' = SelectSeq(queue, LAMBDA batch : batch.submitter \notin dropped)
        /\ fault' = [t \in Submitters |-> IF t \in dropped THEN "aborted" ELSE fault[t]]
    /\ UNCHANGED <<submitter, submit, done, again>>

\* Takes t's batch for invalid.  VT-d 6.5.2.10.
Refuse(t) ==
    /\ Faults = "possible"
    /\ t \in Queued
    /\ queue' = SelectSeq(queue, LAMBDA batch : batch.submitter # t)
    /\ fault' = [fault EXCEPT ![t] = "refused"]
    /\ UNCHANGED <<submitter, submit, done, again>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* The network                                                             *)
(***************************************************************************)

\* A Done is lost.  Kernel: another submitter's reclaim_free_desc turns QI_DONE
\* into QI_FREE before its owner has looked (the bug fixed in 2024).
Lose(t) ==
    /\ Loss = "done"
    /\ done[t] # Nothing
    /\ done' = [done EXCEPT ![t] = Nothing]
    /\ UNCHANGED <<submitter, submit, queue, fault, again>>

-----------------------------------------------------------------------------

Next ==
    \/ \E t \in Submitters :
        \/ Submit(t)
        \/ Accept(t)
        \/ Execute(t)
        \/ Complete(t)
        \/ Observe(t)
        \/ Again(t)
        \/ Repost(t)
        \/ Fail(t)
        \/ Refuse(t)
        \/ Lose(t)
    \/ Abort

Spec == Init /\ [][Next]_vars

(***************************************************************************)
(* Nobody has to call, and nothing has to go wrong.                        *)
(***************************************************************************)
Fairness ==
    \A t \in Submitters :
        /\ WF_vars(Accept(t))
        /\ WF_vars(Execute(t))
        /\ WF_vars(Complete(t))
        /\ WF_vars(Observe(t))

FairSpec == Spec /\ Fairness

\* With faults: who was aborted goes on.
FaultFairness ==
    \A t \in Submitters : WF_vars(Again(t)) /\ WF_vars(Repost(t)) /\ WF_vars(Fail(t))

FaultFairSpec == FairSpec /\ FaultFairness

-----------------------------------------------------------------------------
(***************************************************************************)
(* Properties                                                              *)
(***************************************************************************)

\* A submitter observes Done only after its own n invalidations were executed.
ObservedAfterExecution == \A t \in Submitters : done[t] # Nothing => done[t] = submitter[t]

\* Every WD is eventually observed done.
WdEventuallyObservedDone == \A t \in Submitters : Waiting(t) ~> ~Waiting(t)

\* With faults: if aborts come to an end, every call is eventually over.
AbortsEnd == <>[][~Abort]_vars
WdEventuallyObservedDoneIfAbortsEnd == AbortsEnd => WdEventuallyObservedDone

=============================================================================
