"""Commands that go through the whole of the project: a captioner describes, scorers score, experiments ask, and the
stories that run one command after the other.  A module a command, named like it; beside them what several share:
`chapters` runs commands, `partial` keeps a dump in the making, `scoring` scores captions of images encoded once.

Commands of one part alone (data, taxonomy, similarity) live in that part.
"""
