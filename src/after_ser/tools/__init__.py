"""Commands and steps beside the workflow: plans, cluster requests, exports, downloads."""
