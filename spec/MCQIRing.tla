------------------------------ MODULE MCQIRing ------------------------------
(***************************************************************************)
(* QIRing as TLC checks it, with the constants of a .cfg file.             *)
(***************************************************************************)
EXTENDS QIRingProperties

\* Draws a state as `check' does: status letter and descriptor of each slot, then
\* fields and registers, hardware, and each submitter.
Letter(status) ==
    CASE status = QI_FREE -> "."
      [] status = QI_IN_USE -> "u"
      [] status = QI_DONE -> "D"

Drawn ==
    [slots |-> [s \in Slots |-> <<Letter(desc_status[s]), desc[s].kind>>],
     tail |-> free_tail,
     head |-> free_head,
     cnt |-> free_cnt,
     IQH |-> iqh,
     IQT |-> iqt,
     lock |-> <<lock, waiters>>,
     hardware |-> [i \in DOMAIN pending |-> <<pending[i].kind, pending_by[i]>>],
     T |-> [t \in Submitters |-> <<pc[t], count[t], index[t], at[t]>>]]

=============================================================================
