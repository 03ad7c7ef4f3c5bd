"""What nodes call out, by channel: each notice only saves the time until the next look at the database."""

ECHO = "kakiyo_echo"
WAKES = "kakiyo_wakes"  # ids of webhooks that have new deliveries
FEED = "kakiyo_feed"  # what nodes keep in memory has changed
SHARDS = "kakiyo_shards"  # shards have no owner
REQUESTS = "kakiyo_requests"  # ids of requests
ANSWERS = "kakiyo_answers"  # ids of requests that are answered
WATCHED = "kakiyo_watched"  # teams whose pages somebody looks at
TIMES = "kakiyo_times"  # when something is due, in ms
LIVE = "kakiyo_live"  # what changed on these: team/webhook

ALL = (ECHO, WAKES, FEED, SHARDS, REQUESTS, ANSWERS, WATCHED, LIVE, TIMES)
