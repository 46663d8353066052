"""The hot loop: packed states, tasks and outcomes, and the engines that walk them."""
