-------------------------------- MODULE MCQI --------------------------------
(***************************************************************************)
(* QI as TLC checks it: the constants come from a .cfg of models/, the     *)
(* specification itself knows no bounds.                                   *)
(***************************************************************************)
EXTENDS QI

\* A state as Rust's View prints it.
Drawn ==
    [T |-> [t \in Submitters |-> IF Waiting(t) THEN <<"waiting", submitter[t]>> ELSE <<"idle">>],
     queue |-> [i \in DOMAIN queue |-> <<queue[i].submitter, queue[i].executed, queue[i].executed + queue[i].left>>],
     submit |-> submit,
     done |-> done,
     fault |-> fault,
     again |-> again]

(***************************************************************************)
(* Seeded, to see ObservedAfterExecution violated: hardware may complete   *)
(* t's batch, first in the queue, though IDs are left.                     *)
(***************************************************************************)
CompleteEarly(t) ==
    /\ queue # <<>>
    /\ Head(queue).submitter = t
    /\ Head(queue).left > 0
    /\ done' = [done EXCEPT ![t] = Head(queue).executed]
    /\ queue' = Tail(queue)
    /\ UNCHANGED <<submitter, submit, fault, again>>

EarlyDoneSpec == Init /\ [][Next \/ \E t \in Submitters : CompleteEarly(t)]_vars

=============================================================================
