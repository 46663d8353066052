"""Walk flip graphs: packed states, tasks and outcomes, and the engines of each kind of walk."""
