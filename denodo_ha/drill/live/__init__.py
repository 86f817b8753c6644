"""Live reading: the drill of the resources deployed in an account, without any change to them.

locator -> site_reader -> LiveSite        describe calls, and the templates of own stacks
LiveSite -> build_live_model -> model     readers, engine and reports as for templates
"""
