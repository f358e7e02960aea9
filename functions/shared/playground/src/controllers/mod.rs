//! What goes on by itself: workloads make pods, pods start, what nobody owns any more goes away.
