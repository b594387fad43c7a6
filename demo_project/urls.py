"""URLs of the demo: pages, login, admin, MCP and its health at `/mcp`, and OAuth."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from demo_project.library import views
from demo_project.library.mcp import server

urlpatterns = [
    path("", include("mcp_django.oauth.urls")),
    path("", views.book_list, name="book_list"),
    path("books/<str:isbn>/", views.book_detail, name="book_detail"),
    path("books/<str:isbn>/borrow/", views.borrow_book, name="borrow_book"),
    path("loans/", views.loan_list, name="loan_list"),
    path("loans/<int:pk>/return/", views.return_book, name="return_book"),
    path("loans/elsewhere/", views.loans_elsewhere, name="loans_elsewhere"),
    path(
        "login/",
        LoginView.as_view(template_name="library/login.html"),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("accounts/", include("mcp_django.accounts.urls")),
    path("mcp/health/", include("mcp_django.health")),
    *server.urls("mcp"),
]
