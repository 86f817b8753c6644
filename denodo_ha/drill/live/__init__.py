"""Live reading: the drill of what runs in an account, and nothing that changes anything.

locator -> site_reader -> LiveSite        describe calls, and the templates of own stacks
LiveSite -> build_live_model -> model     the same readers, engine, policies and reports
"""
