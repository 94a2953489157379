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

=============================================================================
