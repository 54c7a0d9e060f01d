"""An HTTP server for a recommender, and a web page to inspect it (extra `serve`)."""

from kerasrec.serving.app import create_app as create_app
from kerasrec.serving.events import EventLog as EventLog
from kerasrec.serving.events import finish_events as finish_events
from kerasrec.serving.events import read_events as read_events
from kerasrec.serving.events import take_events as take_events
from kerasrec.serving.report import write_page as write_page
from kerasrec.serving.settings import Settings as Settings
