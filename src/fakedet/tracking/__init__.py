"""Lightning's W&B, TensorBoard and CSV loggers, taught curve, figure, table, summary and checkpoint."""

from fakedet.tracking.guarded import Guarded, open_trackers
from fakedet.tracking.tracker import Tracker

# The concrete trackers are named by conf/logger/*.yaml: only the chosen one's library is imported.
__all__ = ["Guarded", "Tracker", "open_trackers"]
