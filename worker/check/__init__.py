"""`python -m worker.check`: does a workload keep its contract?"""
